/* What runs after each backward pass and each step of an optimizer, in C: see `autotrack_torch.loop` and
   `autotrack_torch.optimizers`, which do the same where this was not compiled, and all that is not the usual case.

   Between two steps the caches of the processor have forgotten all of this, so what counts is how little memory is
   touched. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030C0000 /* of 3.11: see `called_at` */
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

#include <stdint.h>

#ifdef Py_GIL_DISABLED
#error "written for the global interpreter lock"
#endif

static int (*record)(PyObject *slots, double value, long long step, double tail); /* of `autotrack._hot` */
static PyObject *s_grad_fn, *s_is_neg, *s_lr, *s_next_functions, *s_param_groups, *s_variable;

/* Whether a weak reference is to an object. */
static int
refers_to(PyObject *reference, PyObject *object)
{
    if (reference == NULL || !PyWeakref_Check(reference)) {
        return 0;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *there = NULL;
    if (PyWeakref_GetRef(reference, &there) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(there);
    return there == object;
#else
    return PyWeakref_GET_OBJECT(reference) == object;
#endif
}

/* ---------------------------------------------------------------------------------------------------------------
   Stepping: what `Stepped` knows of an optimizer, as far as it is asked for at every step. */

typedef struct {
    PyObject_HEAD
    long long count;
    PyObject *reference; /* a weak one */
    PyObject *pending;   /* of its thread */
    PyObject *rates;     /* a tuple */
    PyObject *several;   /* None where there are none */
} Stepping;

static PyMemberDef stepping_members[] = {
    {"reference", T_OBJECT, offsetof(Stepping, reference), 0, NULL},
    {"pending", T_OBJECT, offsetof(Stepping, pending), 0, NULL},
    {"rates", T_OBJECT, offsetof(Stepping, rates), 0, NULL},
    {"several", T_OBJECT, offsetof(Stepping, several), 0, NULL},
    {"count", T_LONGLONG, offsetof(Stepping, count), 0, NULL},
    {NULL},
};

static int
stepping_traverse(Stepping *self, visitproc visit, void *arg)
{
    Py_VISIT(self->reference);
    Py_VISIT(self->pending);
    Py_VISIT(self->rates);
    Py_VISIT(self->several);
    return 0;
}

static int
stepping_clear(Stepping *self)
{
    Py_CLEAR(self->reference);
    Py_CLEAR(self->pending);
    Py_CLEAR(self->rates);
    Py_CLEAR(self->several);
    return 0;
}

static void
stepping_dealloc(Stepping *self)
{
    PyObject_GC_UnTrack(self);
    stepping_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyTypeObject SteppingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack_torch._hot.Stepping",
    .tp_basicsize = sizeof(Stepping),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)stepping_dealloc,
    .tp_traverse = (traverseproc)stepping_traverse,
    .tp_clear = (inquiry)stepping_clear,
    .tp_members = stepping_members,
};

/* ---------------------------------------------------------------------------------------------------------------
   Passing: what `Loss` knows of a call of `backward`, as far as it is asked for at every pass. */

typedef struct {
    PyObject_HEAD
    PyObject *code;
    PyObject *points;
    PyObject *slots; /* those that the last one was written to */
    PyObject *optimizer;
    PyObject *root; /* the parameter that its graph ends at first, weakly */
    double tail;
    double seen;
    long long step;
    unsigned long thread;
    int at;
    char plain;
    char shared; /* plain, but that the call may be another training's turn */
} Passing;

static PyMemberDef passing_members[] = {
    {"code", T_OBJECT, offsetof(Passing, code), 0, NULL},
    {"points", T_OBJECT, offsetof(Passing, points), 0, NULL},
    {"slots", T_OBJECT, offsetof(Passing, slots), 0, NULL},
    {"optimizer", T_OBJECT, offsetof(Passing, optimizer), 0, NULL},
    {"root", T_OBJECT, offsetof(Passing, root), 0, NULL},
    {"tail", T_DOUBLE, offsetof(Passing, tail), 0, NULL},
    {"seen", T_DOUBLE, offsetof(Passing, seen), 0, NULL},
    {"step", T_LONGLONG, offsetof(Passing, step), 0, NULL},
    {"thread", T_ULONG, offsetof(Passing, thread), 0, NULL},
    {"at", T_INT, offsetof(Passing, at), 0, NULL},
    {"plain", T_BOOL, offsetof(Passing, plain), 0, NULL},
    {"shared", T_BOOL, offsetof(Passing, shared), 0, NULL},
    {NULL},
};

static int
passing_traverse(Passing *self, visitproc visit, void *arg)
{
    Py_VISIT(self->code);
    Py_VISIT(self->points);
    Py_VISIT(self->slots);
    Py_VISIT(self->optimizer);
    Py_VISIT(self->root);
    return 0;
}

static int
passing_clear(Passing *self)
{
    Py_CLEAR(self->code);
    Py_CLEAR(self->points);
    Py_CLEAR(self->slots);
    Py_CLEAR(self->optimizer);
    Py_CLEAR(self->root);
    return 0;
}

static void
passing_dealloc(Passing *self)
{
    PyObject_GC_UnTrack(self);
    passing_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyTypeObject PassingType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack_torch._hot.Passing",
    .tp_basicsize = sizeof(Passing),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)passing_dealloc,
    .tp_traverse = (traverseproc)passing_traverse,
    .tp_clear = (inquiry)passing_clear,
    .tp_members = passing_members,
};

/* ---------------------------------------------------------------------------------------------------------------
   Passed(tensor, modes, exchange, place=0): called with the arguments of `torch.autograd.backward` once that has returned,
   or of a function that hands on what it is given there as the argument at `place`.  True where there is nothing left to
   do, False where nothing has happened. */

/* Of the DLPack standard, version 1 (https://dmlc.github.io/dlpack/latest/c_api.html), which a framework hands out the
   functions of under `__dlpack_c_exchange_api__` of its tensors' class. */
typedef struct {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} DLTensor;

typedef struct {
    uint32_t major, minor;
    void *before;
    void *allocate, *from_object, *to_object;
    int (*borrow)(void *object, DLTensor *out); /* waits for no device */
    void *stream;
} DLExchange;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *loss;   /* the one of the last pass, or None */
    PyObject *tensor; /* the class */
    PyObject *modes;  /* says how many modes see each function that is called */
    PyObject *capsule;
    const DLExchange *exchange; /* in it */
    PyObject *hands;            /* the code of a function whose call of `backward` is observed where that is called */
    Py_ssize_t place;
} Passed;

enum { ON_CPU = 1, IS_FLOAT = 2 };

/* The value of a tensor of one number in the memory of the processor, read where it lies, which takes a fraction of
   what `item` does, and is no operation that a mode of the user's would see.  False where that can't be done. */
static int
read_value(Passed *self, PyObject *tensor, double *value)
{
    DLTensor there;
    if (self->exchange->borrow(tensor, &there) != 0) {
        return 0;
    }
    if (there.data == NULL || there.device_type != ON_CPU || there.code != IS_FLOAT || there.lanes != 1) {
        return 0;
    }
    for (int32_t i = 0; i < there.ndim; i++) {
        if (there.shape[i] != 1) {
            return 0;
        }
    }
    const char *place = (const char *)there.data + there.byte_offset;
    float number;
    switch (there.bits) {
    case 32:
        memcpy(&number, place, 4);
        *value = number;
        break;
    case 64:
        memcpy(value, place, 8);
        break;
    default:
        return 0;
    }
    /* What lies there may be to be taken negative, which DLPack does not say: the imaginary part of conjugates, which in
       memory of the framework never lies where a number of its own is put. */
    if ((uintptr_t)place % (2 * (size_t)there.bits / 8) != 0) {
        PyObject *modes = PyObject_CallNoArgs(self->modes);
        int none = modes != NULL && PyLong_CheckExact(modes) && PyLong_AsLong(modes) == 0;
        Py_XDECREF(modes);
        PyObject *negative = none ? PyObject_CallMethodNoArgs(tensor, s_is_neg) : NULL;
        Py_XDECREF(negative);
        return negative == Py_False;
    }
    return 1;
}

/* Whether what runs is a call in some code, at an instruction unless that is -1: `behind` a function of the framework, or
   there itself.  In Python 3.11 the frames are looked at where they are: an object of Python's for that of the framework's
   function, which would be made for it at each pass, takes longer than all else here. */
static int
called_at(const PyObject *wanted, int at, int behind)
{
#if PY_VERSION_HEX < 0x030C0000
    _PyInterpreterFrame *frame = PyThreadState_Get()->cframe->current_frame;
    for (;; frame = frame->previous) {
        while (frame != NULL && _PyFrame_IsIncomplete(frame)) {
            frame = frame->previous;
        }
        if (frame == NULL) {
            return 0;
        }
        if (!behind--) {
            return (PyObject *)frame->f_code == wanted
                   && (at < 0 || _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT) == at);
        }
    }
#else
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) {
        return 0;
    }
    frame = behind ? PyFrame_GetBack(frame) : (PyFrameObject *)Py_NewRef(frame);
    if (frame == NULL) {
        return 0;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    int same = (PyObject *)code == wanted && (at < 0 || PyFrame_GetLasti(frame) == at);
    Py_DECREF(code);
    Py_DECREF(frame);
    return same;
#endif
}

/* Nodes of a graph that are passed on the way to its first leaf: see `autotrack_torch.graph`. */
enum { DEPTH = 512 };

/* The parameter that the graph of a tensor ends at first; NULL where that is far, perhaps with an exception. */
static PyObject *
first_leaf(PyObject *tensor)
{
    PyObject *node = PyObject_GetAttr(tensor, s_grad_fn);
    for (int depth = 0; depth < DEPTH && node != NULL && node != Py_None; depth++) {
        PyObject *pairs = PyObject_GetAttr(node, s_next_functions);
        PyObject *further = NULL;
        Py_ssize_t count = pairs != NULL && PyTuple_CheckExact(pairs) ? PyTuple_GET_SIZE(pairs) : 0;
        for (Py_ssize_t at = 0; at < count; at++) {
            PyObject *pair = PyTuple_GET_ITEM(pairs, at);
            PyObject *following = PyTuple_CheckExact(pair) ? PyTuple_GET_ITEM(pair, 0) : Py_None;
            if (strcmp(Py_TYPE(following)->tp_name, "AccumulateGrad") == 0) {
                PyObject *leaf = PyObject_GetAttr(following, s_variable);
                Py_XDECREF(further);
                Py_DECREF(pairs);
                Py_DECREF(node);
                return leaf;
            }
            if (further == NULL && following != Py_None) {
                further = Py_NewRef(following);
            }
        }
        Py_XDECREF(pairs);
        Py_SETREF(node, further);
    }
    Py_XDECREF(node);
    return NULL;
}

/* Whether a pass is of the training of the last one.  An exception may be left. */
static int
goes_on(Passed *self, Passing *loss, PyObject *tensor)
{
    PyObject *modes = PyObject_CallNoArgs(self->modes); /* which would see what is asked of a tensor */
    int none = modes != NULL && PyLong_CheckExact(modes) && PyLong_AsLong(modes) == 0;
    Py_XDECREF(modes);
    PyObject *leaf = none ? first_leaf(tensor) : NULL;
    int same = leaf != NULL && refers_to(loss->root, leaf);
    Py_XDECREF(leaf);
    return same;
}

/* Whether the loss that was passed back is on record now.  An exception may be left. */
static int
is_on_record(Passed *self, PyObject *const *args, size_t count, PyObject *names)
{
    Passing *loss = (Passing *)self->loss;
    /* `Tensor.backward` gives four by position and one by name. */
    if (count < 1 || (count > 1 && args[1] != Py_None) || !PyObject_TypeCheck(self->loss, &PassingType)
        || !(loss->plain || loss->shared) || loss->optimizer == NULL
        || !PyObject_TypeCheck(loss->optimizer, &SteppingType) || loss->slots == NULL
        || (PyObject *)Py_TYPE(args[0]) != self->tensor) {
        return 0;
    }
    if (count == 1 && names != NULL) { /* a gradient may be among them */
        return 0;
    }
    long long step = ((Stepping *)loss->optimizer)->count;
    if (step == loss->step || PyThread_get_thread_ident() != loss->thread || !called_at(loss->code, loss->at, count == 4)) {
        return 0;
    }
    double value;
    if (!read_value(self, args[0], &value)) {
        return 0;
    }
    if (!loss->plain && !(loss->shared && goes_on(self, loss, args[0]))) {
        return 0;
    }
    if (loss->slots == NULL || record(loss->slots, value, step, loss->tail) < 0) {
        return 0;
    }
    loss->step = step;
    loss->seen = value;
    return 1;
}

static PyObject *
passed_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Passed *self = (Passed *)object;
    PyObject *loss = Py_NewRef(self->loss);
    Py_ssize_t count = PyVectorcall_NARGS(nargsf) - self->place;
    int done = count > 0 && is_on_record(self, args + self->place, (size_t)count, names);
    PyErr_Clear();
    if (!done && self->hands != Py_None) {
        done = called_at(self->hands, -1, count == 4);
    }
    Py_DECREF(loss);
    return PyBool_FromLong(done);
}

static PyObject *
passed_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"tensor", "modes", "exchange", "place", NULL};
    PyObject *tensor, *modes, *capsule;
    Py_ssize_t place = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|n:Passed", keywords, &tensor, &modes, &capsule, &place)) {
        return NULL;
    }
    const DLExchange *exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    if (exchange == NULL) {
        return NULL;
    }
    if (exchange->major != 1) {
        return PyErr_Format(PyExc_ValueError, "DLPack %u is not known", exchange->major);
    }
    Passed *self = (Passed *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = passed_vectorcall;
        self->loss = Py_NewRef(Py_None);
        self->tensor = Py_NewRef(tensor);
        self->modes = Py_NewRef(modes);
        self->capsule = Py_NewRef(capsule);
        self->exchange = exchange;
        self->hands = Py_NewRef(Py_None);
        self->place = place;
    }
    return (PyObject *)self;
}

static PyMemberDef passed_members[] = {
    {"loss", T_OBJECT, offsetof(Passed, loss), 0, NULL},
    {"hands", T_OBJECT, offsetof(Passed, hands), 0, NULL},
    {NULL},
};

static int
passed_traverse(Passed *self, visitproc visit, void *arg)
{
    Py_VISIT(self->loss);
    Py_VISIT(self->tensor);
    Py_VISIT(self->modes);
    return 0;
}

static int
passed_clear(Passed *self)
{
    Py_SETREF(self->loss, Py_NewRef(Py_None));
    return 0;
}

static void
passed_dealloc(Passed *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->loss);
    Py_CLEAR(self->tensor);
    Py_CLEAR(self->modes);
    Py_CLEAR(self->capsule);
    Py_CLEAR(self->hands);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyTypeObject PassedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack_torch._hot.Passed",
    .tp_basicsize = sizeof(Passed),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = passed_new,
    .tp_dealloc = (destructor)passed_dealloc,
    .tp_traverse = (traverseproc)passed_traverse,
    .tp_clear = (inquiry)passed_clear,
    .tp_members = passed_members,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Passed, vectorcall),
};

/* ---------------------------------------------------------------------------------------------------------------
   Counted(known): called with an optimizer, and what its step was given, once it has stepped.  True where the step is
   counted by then, False where nothing has happened. */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *known;     /* a dict: by identity, what is known of an optimizer */
    PyObject *optimizer; /* the last one, borrowed: only compared */
    PyObject *state;     /* what is known of it */
} Counted;

/* Whether the step is counted now; -1 with an exception, since a class of the user's may say what `param_groups` are. */
static int
is_counted(Stepping *state, PyObject *optimizer)
{
    if (!refers_to(state->reference, optimizer) || state->several != Py_None || state->rates == NULL
        || !PyTuple_CheckExact(state->rates) || state->pending == NULL || !PyList_CheckExact(state->pending)
        || PyList_GET_SIZE(state->pending) > 0) {
        return 0;
    }
    PyObject *groups = PyObject_GetAttr(optimizer, s_param_groups);
    int same = groups != NULL && PyList_CheckExact(groups) && PyList_GET_SIZE(groups) <= PyTuple_GET_SIZE(state->rates);
    for (Py_ssize_t number = 0; same && number < PyList_GET_SIZE(groups); number++) {
        PyObject *group = Py_NewRef(PyList_GET_ITEM(groups, number)); /* keys of the user's may be compared in Python */
        PyObject *rate = PyDict_CheckExact(group) ? PyDict_GetItemWithError(group, s_lr) : NULL;
        if (rate == NULL && PyDict_CheckExact(group)) {
            rate = Py_None;
        }
        same = rate != NULL && number < PyTuple_GET_SIZE(state->rates)
               && rate == PyTuple_GET_ITEM(state->rates, number) && !PyErr_Occurred();
        Py_DECREF(group);
    }
    Py_XDECREF(groups);
    if (PyErr_Occurred()) {
        return -1;
    }
    state->count += same;
    return same;
}

/* What is known of an optimizer, borrowed; NULL, perhaps with an exception, where nothing is. */
static PyObject *
state_of(Counted *self, PyObject *optimizer)
{
    if (optimizer != self->optimizer || self->state == NULL) {
        PyObject *key = PyLong_FromVoidPtr(optimizer);
        PyObject *state = key == NULL ? NULL : PyDict_GetItemWithError(self->known, key);
        Py_XDECREF(key);
        if (state == NULL || !PyObject_TypeCheck(state, &SteppingType)) {
            return NULL;
        }
        Py_XSETREF(self->state, Py_NewRef(state));
        self->optimizer = optimizer;
    }
    return self->state;
}

static PyObject *
counted_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    if (PyVectorcall_NARGS(nargsf) == 0) {
        Py_RETURN_FALSE;
    }
    PyObject *state = Py_XNewRef(state_of((Counted *)object, args[0]));
    int done = state != NULL ? is_counted((Stepping *)state, args[0]) : PyErr_Occurred() ? -1 : 0;
    if (done <= 0) {
        Py_CLEAR(((Counted *)object)->state); /* which may be of one that is gone */
    }
    Py_XDECREF(state);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
counted_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"known", NULL};
    PyObject *known;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!:Counted", keywords, &PyDict_Type, &known)) {
        return NULL;
    }
    Counted *self = (Counted *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = counted_vectorcall;
        self->known = Py_NewRef(known);
    }
    return (PyObject *)self;
}

static int
counted_traverse(Counted *self, visitproc visit, void *arg)
{
    Py_VISIT(self->known);
    Py_VISIT(self->state);
    return 0;
}

static int
counted_clear(Counted *self)
{
    Py_CLEAR(self->state);
    return 0;
}

static void
counted_dealloc(Counted *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->known);
    Py_CLEAR(self->state);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyTypeObject CountedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack_torch._hot.Counted",
    .tp_basicsize = sizeof(Counted),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = counted_new,
    .tp_dealloc = (destructor)counted_dealloc,
    .tp_traverse = (traverseproc)counted_traverse,
    .tp_clear = (inquiry)counted_clear,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Counted, vectorcall),
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "autotrack_torch._hot", .m_size = -1};

PyMODINIT_FUNC
PyInit__hot(void)
{
    struct { PyObject **where; const char *name; } names[] = {
        {&s_grad_fn, "grad_fn"}, {&s_is_neg, "is_neg"}, {&s_lr, "lr"}, {&s_next_functions, "next_functions"},
        {&s_param_groups, "param_groups"}, {&s_variable, "variable"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((*names[i].where = PyUnicode_InternFromString(names[i].name)) == NULL) {
            return NULL;
        }
    }
    record = (int (*)(PyObject *, double, long long, double))PyCapsule_Import("autotrack._hot.record", 0);
    if (record == NULL) {
        return NULL;
    }
    PyObject *made = PyModule_Create(&module);
    if (made == NULL || PyModule_AddType(made, &SteppingType) < 0 || PyModule_AddType(made, &PassingType) < 0
        || PyModule_AddType(made, &PassedType) < 0 || PyModule_AddType(made, &CountedType) < 0) {
        Py_XDECREF(made);
        return NULL;
    }
    return made;
}
