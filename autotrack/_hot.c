/* What stands for a function that runs on every step of a training, and the records that such a step writes, in C.

   Nothing here is needed: where it was not compiled, or AUTOTRACK_EXTENSION=0 says so, the Python beside it does the
   same.  A program notices no difference but the time. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdatomic.h>
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "written for the global interpreter lock"
#endif

static double
seconds_since_epoch(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---------------------------------------------------------------------------------------------------------------
   Switch: on or off, and how often what it switches was called.  The base of `shield.Meter`. */

typedef struct {
    PyObject_HEAD
    long long fired;
    char on;
} Switch;

static PyObject *
switch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Switch *self = (Switch *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->on = 1;
    }
    return (PyObject *)self;
}

static void
switch_dealloc(Switch *self)
{
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef switch_members[] = {
    {"fired", T_LONGLONG, offsetof(Switch, fired), 0, NULL},
    {"on", T_BOOL, offsetof(Switch, on), 0, NULL},
    {NULL},
};

static PyTypeObject SwitchType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack._hot.Switch",
    .tp_basicsize = sizeof(Switch),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = switch_new,
    .tp_dealloc = (destructor)switch_dealloc,
    .tp_members = switch_members,
};

/* ---------------------------------------------------------------------------------------------------------------
   Slots: the records of a window of `journal.points`.  For Python an iterator over their offsets; `record` writes one. */

#define RECORD 32
#define PAGE 4096

typedef struct {
    PyObject_HEAD
    Py_buffer buffer; /* held until it is full, or let go of */
    Py_ssize_t next;
    Py_ssize_t ready; /* the end of what `prepare` has seen to */
} Slots;

static PyTypeObject SlotsType;

static PyObject *
slots_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"buffer", "first", NULL};
    PyObject *buffer;
    Py_ssize_t first;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "On:Slots", keywords, &buffer, &first)) {
        return NULL;
    }
    if (first < 0) {
        PyErr_SetString(PyExc_ValueError, "the first offset is negative");
        return NULL;
    }
    Slots *self = (Slots *)type->tp_alloc(type, 0);
    if (self != NULL && PyObject_GetBuffer(buffer, &self->buffer, PyBUF_WRITABLE) < 0) {
        Py_CLEAR(self);
    }
    if (self != NULL) {
        self->next = first;
    }
    return (PyObject *)self;
}

static void
slots_let_go(Slots *self)
{
    if (self->buffer.obj != NULL) {
        PyBuffer_Release(&self->buffer);
        self->buffer.buf = NULL;
    }
}

static PyObject *
slots_release(Slots *self, PyObject *ignored)
{
    slots_let_go(self);
    Py_RETURN_NONE;
}

static void
slots_dealloc(Slots *self)
{
    slots_let_go(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *
slots_next(Slots *self)
{
    Py_ssize_t at = self->next;
    self->next += RECORD;
    if (self->buffer.buf != NULL && at > self->buffer.len - RECORD) {
        slots_let_go(self);
    }
    return PyLong_FromSsize_t(at);
}

/* The kernel takes tens of microseconds for the first write to a page of a file.  So another thread than those that
   record makes it, without the GIL: one that leaves each page as it is, whoever writes to it meanwhile. */
static PyObject *
slots_prepare(Slots *self, PyObject *size)
{
    Py_ssize_t wanted = PyLong_AsSsize_t(size), next = self->next;
    Py_buffer held;
    if (wanted == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (self->buffer.obj != NULL) {
        if (PyObject_GetBuffer(self->buffer.obj, &held, PyBUF_WRITABLE) < 0) {
            return NULL;
        }
        Py_ssize_t at = next > self->ready ? next : self->ready;
        Py_ssize_t end = wanted < held.len - next ? next + wanted : held.len;
        Py_BEGIN_ALLOW_THREADS
        for (at = (at + PAGE - 1) / PAGE * PAGE; at < end; at += PAGE) {
            unsigned char empty = 0;
            atomic_compare_exchange_strong((_Atomic unsigned char *)held.buf + at, &empty, 0);
        }
        Py_END_ALLOW_THREADS
        self->ready = at;
        PyBuffer_Release(&held);
    }
    return PyLong_FromSsize_t(next);
}

static PyMethodDef slots_methods[] = {
    {"prepare", (PyCFunction)slots_prepare, METH_O,
     "Make the next so many bytes ready to be written to; the offset that is claimed next."},
    {"release", (PyCFunction)slots_release, METH_NOARGS, NULL},
    {NULL},
};

static PyTypeObject SlotsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack._hot.Slots",
    .tp_basicsize = sizeof(Slots),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = slots_new,
    .tp_dealloc = (destructor)slots_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = (iternextfunc)slots_next,
    .tp_methods = slots_methods,
};

/* Write a record of this moment: it is there once its last 8 bytes are.  -1, without an exception, where there is no
   room.  For other extensions in the capsule `record`. */
static int
record(PyObject *slots, double value, long long step, double tail)
{
    Slots *self = (Slots *)slots;
    if (!Py_IS_TYPE(slots, &SlotsType) || self->buffer.buf == NULL || self->next > self->buffer.len - RECORD) {
        return -1;
    }
    char *place = (char *)self->buffer.buf + self->next;
    self->next += RECORD;
    double now = seconds_since_epoch();
    memcpy(place, &value, 8);
    memcpy(place + 8, &now, 8);
    memcpy(place + 16, &step, 8);
    atomic_thread_fence(memory_order_release);
    memcpy(place + 24, &tail, 8);
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------------
   log_first: as `manual.log_first`, but for numbers of Python's alone.  What it calls is none of the user's. */

static const char *const texts[] = {"job", "logged", "_series", "_points", "window", "_tail", "next_step"};
enum { JOB, LOGGED, SERIES, POINTS, WINDOW, TAIL, NEXT_STEP, TEXTS };
static PyObject *text[TEXTS];

/* The strand that values belong to, if it is of this job: a new reference. */
static PyObject *
strand_of(PyObject *opened, PyObject *latest, PyObject *class, PyObject *job)
{
    PyObject *place = NULL, *theirs = NULL;
    if (PyContextVar_Get(opened, Py_None, &place) == 0 && place == Py_None) {
        Py_CLEAR(place);
        if (PyContextVar_Get(latest, Py_None, &place) == 0 && place == Py_None) {
            Py_SETREF(place, PyObject_GetAttr(job, text[LOGGED]));
        }
    }
    if (place != NULL && Py_IS_TYPE(place, (PyTypeObject *)class)) {
        theirs = PyObject_GetAttr(place, text[JOB]);
    }
    if (theirs != job) {
        Py_CLEAR(place);
    }
    Py_XDECREF(theirs);
    return place;
}

static int
is_number(PyObject *value, double *number)
{
    if (PyFloat_Check(value)) {
        *number = PyFloat_AS_DOUBLE(value);
        return 1;
    }
    if (!PyLong_CheckExact(value) && !PyBool_Check(value)) {
        return 0;
    }
    *number = PyLong_AsDouble(value);
    return *number != -1.0 || !PyErr_Occurred();
}

/* Whether a point was written: at the step or, where that is None, at the one after the last. */
static int
log_one(PyObject *series, double number, PyObject *step)
{
    PyObject *at = step == Py_None ? PyObject_GetAttr(series, text[NEXT_STEP]) : Py_NewRef(step);
    PyObject *points = PyObject_GetAttr(series, text[POINTS]), *tail = PyObject_GetAttr(series, text[TAIL]);
    PyObject *window = points == NULL ? NULL : PyObject_GetAttr(points, text[WINDOW]);
    int done = 0, overflow = 0;
    if (at != NULL && PyLong_Check(at) && tail != NULL && PyFloat_Check(tail) && window != NULL
        && PyTuple_CheckExact(window) && PyTuple_GET_SIZE(window) == 2) {
        long long position = PyLong_AsLongLongAndOverflow(at, &overflow);
        PyObject *next = overflow || position == LLONG_MAX ? NULL : PyLong_FromLongLong(position + 1);
        done = next != NULL && record(PyTuple_GET_ITEM(window, 1), number, position, PyFloat_AS_DOUBLE(tail)) == 0
               && PyObject_SetAttr(series, text[NEXT_STEP], next) == 0;
        Py_XDECREF(next);
    }
    Py_XDECREF(at);
    Py_XDECREF(points);
    Py_XDECREF(tail);
    Py_XDECREF(window);
    return done;
}

static PyObject *
log_first(PyObject *ignored, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyContextVar_CheckExact(args[0]) || !PyContextVar_CheckExact(args[1]) || !PyType_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "log_first takes two context variables, a class, a job, values and a step");
        return NULL;
    }
    PyObject *values = args[4], *step = args[5], *strand = NULL, *series = NULL, *name, *value;
    if (PyDict_CheckExact(values) && (step == Py_None || PyLong_CheckExact(step))) {
        strand = strand_of(args[0], args[1], args[2], args[3]);
    }
    if (strand != NULL) {
        series = PyObject_GetAttr(strand, text[SERIES]);
    }
    double number;
    Py_ssize_t at = 0;
    long done = 0;
    int going = series != NULL && PyDict_CheckExact(series);
    /* Names that are looked up are compared, which the user's own may do in Python: what is had here is held. */
    while (going && PyDict_Next(values, &at, &name, &value)) {
        Py_INCREF(value);
        going = PyUnicode_CheckExact(name) && PyDict_GetItemWithError(series, name) != NULL && is_number(value, &number);
        Py_DECREF(value);
    }
    for (at = 0; going && PyDict_Next(values, &at, &name, &value); done += going) {
        Py_INCREF(value);
        PyObject *one = Py_XNewRef(PyUnicode_CheckExact(name) ? PyDict_GetItemWithError(series, name) : NULL);
        going = one != NULL && is_number(value, &number) && log_one(one, number, step);
        Py_XDECREF(one);
        Py_DECREF(value);
    }
    PyErr_Clear();
    Py_XDECREF(series);
    Py_XDECREF(strand);
    return PyLong_FromLong(done);
}

static PyMethodDef functions[] = {
    {"log_first", (PyCFunction)(void (*)(void))log_first, METH_FASTCALL,
     "log_first(opened, latest, Strand, job, values, step): see manual.log_first."},
    {NULL},
};

/* ---------------------------------------------------------------------------------------------------------------
   Followed: stands for a function that runs on every step of a training, or, without an `original`, is told of each
   step.  See `autotrack.shield.followed` and `registered`. */

#define TIMED 64

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *dict, *weak;
    PyObject *original;
    PyObject *quick;     /* called with the arguments: true where there is nothing left to do */
    PyObject *contained; /* called with a tuple, a dict and the result, where there is */
    PyObject *told;      /* called with the seconds that a call has taken, or what it has raised */
    Switch *meter, *site;
    unsigned long calls;
} Followed;

static double
seconds_of_this_thread(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Tell what a call has taken, or, with `seconds` below 0, what was raised in it.  -1 with an exception that is the user's
   own: signal handlers may have run. */
static int
tell(Followed *self, double seconds)
{
    PyObject *given[2] = {NULL, NULL}, *told = NULL;
    if (seconds < 0.0) {
#if PY_VERSION_HEX >= 0x030C0000
        given[1] = PyErr_GetRaisedException();
#else
        PyObject *type, *trace;
        PyErr_Fetch(&type, &given[1], &trace);
        PyErr_NormalizeException(&type, &given[1], &trace);
        if (trace != NULL) {
            PyException_SetTraceback(given[1], trace);
        }
        Py_XDECREF(type);
        Py_XDECREF(trace);
#endif
        given[0] = Py_NewRef(Py_None);
    }
    else {
        given[0] = PyFloat_FromDouble(seconds);
        given[1] = Py_NewRef(Py_None);
    }
    if (given[0] == NULL || given[1] == NULL) {
        PyErr_Clear();
    }
    else {
        told = PyObject_Vectorcall(self->told, given, 2, NULL);
    }
    Py_XDECREF(given[0]);
    Py_XDECREF(given[1]);
    Py_XDECREF(told);
    return told == NULL && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
followed_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Followed *self = (Followed *)object;
    size_t given = (size_t)PyVectorcall_NARGS(nargsf);
    PyObject *result = self->original == Py_None ? Py_NewRef(Py_None)
                                                 : PyObject_Vectorcall(self->original, args, given, names);
    if (result == NULL || self->contained == NULL || !self->meter->on || !self->site->on) {
        return result;
    }
    Py_INCREF(self); /* which may be taken back meanwhile */
    int timed = ++self->calls % TIMED == 0;
    double begun = timed ? seconds_of_this_thread() : 0.0;
    PyObject *done = PyObject_Vectorcall(self->quick, args, given, names);
    if (done == Py_True || done == NULL) {
        self->meter->fired++;
        double took = timed ? seconds_of_this_thread() - begun : 0.0;
        if ((done == NULL || timed) && tell(self, done == NULL ? -1.0 : took < 0.0 ? 0.0 : took) < 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(done);
        Py_DECREF(self);
        return result;
    }
    Py_DECREF(done);
    PyObject *tuple = PyTuple_New((Py_ssize_t)given), *dict = PyDict_New(), *seen = NULL;
    if (tuple != NULL && dict != NULL) {
        for (size_t i = 0; i < given; i++) {
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, Py_NewRef(args[i]));
        }
        int bad = 0;
        for (Py_ssize_t i = 0; names != NULL && !bad && i < PyTuple_GET_SIZE(names); i++) {
            bad = PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i), args[given + (size_t)i]) < 0;
        }
        if (bad) {
            PyErr_Clear();
        }
        else {
            PyObject *all[3] = {tuple, dict, result};
            seen = PyObject_Vectorcall(self->contained, all, 3, NULL);
            if (seen == NULL) {
                Py_CLEAR(result); /* the user's own */
            }
        }
    }
    else {
        PyErr_Clear();
    }
    Py_XDECREF(tuple);
    Py_XDECREF(dict);
    Py_XDECREF(seen);
    Py_DECREF(self);
    return result;
}

static PyObject *
followed_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"original", "quick", "contained", "told", "meter", "site", NULL};
    PyObject *original, *quick, *contained, *told, *meter, *site;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO!O!:Followed", keywords, &original, &quick, &contained, &told,
                                     &SwitchType, &meter, &SwitchType, &site)) {
        return NULL;
    }
    Followed *self = (Followed *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = followed_vectorcall;
        self->original = Py_NewRef(original);
        self->quick = Py_NewRef(quick);
        self->contained = Py_NewRef(contained);
        self->told = Py_NewRef(told);
        self->meter = (Switch *)Py_NewRef(meter);
        self->site = (Switch *)Py_NewRef(site);
    }
    return (PyObject *)self;
}

static int
followed_traverse(Followed *self, visitproc visit, void *arg)
{
    Py_VISIT(self->dict);
    Py_VISIT(self->original);
    Py_VISIT(self->quick);
    Py_VISIT(self->contained);
    Py_VISIT(self->told);
    Py_VISIT(self->meter);
    Py_VISIT(self->site);
    return 0;
}

static int
followed_clear(Followed *self)
{
    Py_CLEAR(self->dict);
    Py_CLEAR(self->contained); /* it goes on calling the original */
    return 0;
}

static void
followed_dealloc(Followed *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weak != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
    Py_CLEAR(self->dict);
    Py_CLEAR(self->original);
    Py_CLEAR(self->quick);
    Py_CLEAR(self->contained);
    Py_CLEAR(self->told);
    Py_CLEAR(self->meter);
    Py_CLEAR(self->site);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* It is a method of the class that it stands in, where what it stands for is: a function, but no builtin. */
static PyObject *
followed_get(PyObject *self, PyObject *instance, PyObject *owner)
{
    PyObject *original = ((Followed *)self)->original;
    int binds = original == Py_None || Py_TYPE(original)->tp_descr_get != NULL;
    return instance == NULL || instance == Py_None || !binds ? Py_NewRef(self) : PyMethod_New(self, instance);
}

/* It passes for a function, with the code, the defaults and so on of the one that it stands for. */
static PyObject *
stands_for(Followed *self)
{
    return self->original != Py_None || self->contained == NULL ? self->original : self->contained;
}

static PyObject *
followed_repr(Followed *self)
{
    return PyObject_Repr(stands_for(self));
}

/* It pickles by its name, and is its own copy, as a function is. */
static PyObject *
followed_reduce(PyObject *self, PyObject *ignored)
{
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyMethodDef followed_methods[] = {
    {"__reduce__", followed_reduce, METH_NOARGS, NULL},
    {NULL},
};

static PyObject *
followed_class(Followed *self, void *ignored)
{
    return Py_NewRef((PyObject *)Py_TYPE(stands_for(self)));
}

static PyObject *
followed_getattro(PyObject *object, PyObject *name)
{
    PyObject *found = PyObject_GenericGetAttr(object, name);
    if (found == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        found = PyObject_GetAttr(stands_for((Followed *)object), name);
    }
    return found;
}

static PyGetSetDef followed_getset[] = {
    {"__class__", (getter)followed_class, NULL, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL},
};

static PyTypeObject FollowedType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack._hot.Followed",
    .tp_basicsize = sizeof(Followed),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = followed_new,
    .tp_dealloc = (destructor)followed_dealloc,
    .tp_traverse = (traverseproc)followed_traverse,
    .tp_clear = (inquiry)followed_clear,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Followed, vectorcall),
    .tp_dictoffset = offsetof(Followed, dict),
    .tp_weaklistoffset = offsetof(Followed, weak),
    .tp_descr_get = followed_get,
    .tp_methods = followed_methods,
    .tp_getset = followed_getset,
    .tp_getattro = followed_getattro,
    .tp_repr = (reprfunc)followed_repr,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "autotrack._hot", .m_size = -1, .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__hot(void)
{
    PyObject *made = PyModule_Create(&module);
    PyObject *capsule = PyCapsule_New((void *)record, "autotrack._hot.record", NULL);
    PyTypeObject *types[] = {&SwitchType, &SlotsType, &FollowedType};
    if (made != NULL && (capsule == NULL || PyModule_AddObjectRef(made, "record", capsule) < 0)) {
        Py_CLEAR(made);
    }
    for (size_t i = 0; made != NULL && i < TEXTS; i++) {
        if ((text[i] = PyUnicode_InternFromString(texts[i])) == NULL) {
            Py_CLEAR(made);
        }
    }
    for (size_t i = 0; made != NULL && i < sizeof(types) / sizeof(types[0]); i++) {
        if (PyModule_AddType(made, types[i]) < 0) {
            Py_CLEAR(made);
        }
    }
    Py_XDECREF(capsule);
    return made;
}
