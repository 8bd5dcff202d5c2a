/* What a print comes through, once more in C: see `autotrack.capture.writes` and `console`, whose lines these are.

   It does what its namesake in Python does in the usual case, and hands everything else to the Python that it is given; a
   program notices no difference but the time.  Between two lines of Python a signal handler of the user's may run, and
   another thread.  In here both come only where Python is called, which includes the end of an object's life. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#include <time.h>

#ifdef Py_GIL_DISABLED
#error "written for the global interpreter lock"
#endif

#define NAMES(X) \
    X(console) X(counted) X(due) X(id) X(inside) X(is_print) X(last) X(named) X(names) X(optimized) X(passes) \
    X(unfinished) X(count) X(counter) X(waiting) X(writes)

#define DECLARE(name) static PyObject *s_##name;
NAMES(DECLARE)
#undef DECLARE

/* Whether an attribute is true; -1 with an exception where there is none. */
static int
is_true(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL) {
        return -1;
    }
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    return truth;
}

static double
seconds_since_epoch(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static PyObject *shown_step;

enum { FRAME, AT, CODE, THREAD, WRITES, TIME, STREAM, CALL, VALUES, PLACE, TEXT };
#define DONE (-1)
#define SHORT 32
#define FEW 40

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *weak;
    PyObject *put;     /* what writes, bound; None where the stream is held weakly */
    PyObject *there;   /* a weak reference to it, then */
    PyObject *plain;   /* and the function of its class */
    PyObject *console;
    PyObject *number;
    PyObject *begun;   /* a list of one: the line that is not ended */
    PyObject *lines;   /* a dict: those of other threads */
    PyObject *append;  /* to what is to be read */
    PyObject *no_line;
    PyObject *nowhere; /* for a `PrintCall` that is not known */
    PyObject *contain;
    PyObject *note;
    PyObject *taken_in;
    PyObject *here, *opened, *latest, *job;
    Py_ssize_t usual, limit;
} Write;

static PyObject *
put_weakly(Write *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *stream;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyWeakref_GetRef(self->there, &stream) < 0) {
        return NULL;
    }
    if (stream == NULL) {
        stream = Py_NewRef(Py_None);
    }
#else
    stream = Py_NewRef(PyWeakref_GET_OBJECT(self->there));
#endif
    size_t all = count + (names == NULL ? 0 : (size_t)PyTuple_GET_SIZE(names));
    PyObject *few[8], **given = few;
    if (all + 1 > 8) {
        given = PyMem_Malloc((all + 1) * sizeof(PyObject *));
        if (given == NULL) {
            Py_DECREF(stream);
            return PyErr_NoMemory();
        }
    }
    given[0] = stream;
    memcpy(given + 1, args, all * sizeof(PyObject *));
    PyObject *result = PyObject_Vectorcall(self->plain, given, count + 1, names);
    if (given != few) {
        PyMem_Free(given);
    }
    Py_DECREF(stream);
    return result;
}

/* The scalars among the variables that a print shows, as `PrintCall.variables` finds them; NULL, without an exception,
   where that has to be asked. */
static PyObject *
variables_of(PyObject *call, PyFrameObject *frame)
{
    PyObject *found = NULL, *names = NULL, *locals = NULL, *globals = NULL;
    int named = is_true(call, s_named);
    if (named <= 0) {
        goto done;
    }
    names = PyObject_GetAttr(call, s_names);
    if (names == NULL || !PyTuple_CheckExact(names)) {
        goto done;
    }
    int counted = is_true(call, s_counted), optimized = is_true(call, s_optimized);
    if (counted <= 0 || optimized < 0) {
        goto done;
    }
    if (PyTuple_GET_SIZE(names) == 0) {
        found = Py_NewRef(Py_None);
        goto done;
    }
#if PY_VERSION_HEX >= 0x030D0000
    if (!optimized)
#endif
    {
        locals = PyFrame_GetLocals(frame);
        if (locals == NULL || !PyDict_CheckExact(locals)) {
            goto done;
        }
    }
    globals = PyFrame_GetGlobals(frame);
    found = PyDict_New();
    if (globals == NULL || found == NULL || !PyDict_CheckExact(globals)) {
        Py_CLEAR(found);
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i), *value;
        if (locals != NULL) {
            value = Py_XNewRef(PyDict_GetItemWithError(locals, name));
        }
        else {
#if PY_VERSION_HEX >= 0x030D0000
            value = PyFrame_GetVar(frame, name);
            if (value == NULL) {
                PyErr_Clear();
            }
#else
            value = NULL;
#endif
        }
        if (value == NULL && !PyErr_Occurred()) {
            value = Py_XNewRef(PyDict_GetItemWithError(globals, name));
        }
        int bad = PyErr_Occurred() != NULL;
        if (value != NULL) {
            if (PyFloat_CheckExact(value) || PyLong_CheckExact(value) || PyUnicode_CheckExact(value)
                || PyBool_Check(value)) {
                bad = PyDict_SetItem(found, name, value) < 0;
            }
            else {
                bad = 1; /* which may be NumPy's */
            }
            Py_DECREF(value);
        }
        if (bad) {
            Py_CLEAR(found);
            break;
        }
    }
#if PY_VERSION_HEX < 0x030D0000
    PyThreadState *state = PyThreadState_Get();
    /* The frame's and this one: a copy that would keep them alive, and that a tracer has copied back. */
    if (optimized && Py_REFCNT(locals) <= 2 && state->c_tracefunc == NULL && state->c_profilefunc == NULL) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        PyDict_Clear(locals);
        PyErr_Restore(type, error, trace);
    }
#endif
done:
    Py_XDECREF(names);
    Py_XDECREF(locals);
    Py_XDECREF(globals);
    if (found == NULL) {
        PyErr_Clear();
    }
    return found;
}

/* The training that the program is in, as `Console._place` finds it; NULL, without an exception, where that has to be
   asked. */
static PyObject *
place_of(Write *self)
{
    PyObject *place = PyObject_GetAttr(self->here, s_inside);
    if (place == Py_None) {
        Py_DECREF(place);
        place = NULL;
        if (PyContextVar_Get(self->opened, NULL, &place) == 0 && place == Py_None) {
            Py_CLEAR(place);
            if (PyContextVar_Get(self->latest, NULL, &place) == 0 && place != NULL && place != Py_None) {
                PyObject *id = PyObject_GetAttr(place, s_id);
                PyObject *unfinished = id == NULL ? NULL : PyObject_GetAttr(self->job, s_unfinished);
                int there = unfinished == NULL ? -1 : PySequence_Contains(unfinished, id);
                Py_XDECREF(id);
                Py_XDECREF(unfinished);
                if (there <= 0) {
                    Py_CLEAR(place);
                    place = there == 0 ? Py_NewRef(Py_None) : NULL;
                }
            }
        }
    }
    else if (place != NULL) {
        PyObject *id = PyObject_GetAttr(place, s_id);
        if (id == NULL || !PyUnicode_Check(id) || PyUnicode_GET_LENGTH(id) == 0) { /* ours, or a call without a strand */
            Py_CLEAR(place);
        }
        Py_XDECREF(id);
    }
    if (place == NULL) {
        PyErr_Clear();
    }
    return place;
}

/* As `shown.with_step`.  Takes the reference to the values, and gives one; NULL, perhaps with an exception, where that has
   to be asked. */
static PyObject *
with_step(PyObject *values, PyObject *place)
{
    if (values == NULL || place == Py_None) {
        return values;
    }
    PyObject *counter = PyObject_GetAttr(place, s_counter), *count = NULL;
    if (counter == Py_None) {
        Py_DECREF(counter);
        return values;
    }
    if (values == Py_None) {
        Py_SETREF(values, PyDict_New());
    }
    count = counter == NULL || values == NULL ? NULL : PyObject_GetAttr(counter, s_count);
    if (count == NULL || PyDict_SetItem(values, shown_step, count) < 0) {
        Py_CLEAR(values);
    }
    Py_XDECREF(counter);
    Py_XDECREF(count);
    return values;
}

/* The first text of a print that was met before: 1 where its line is begun, else 0 and nothing has happened. */
static int
begin(Write *self, PyObject *text, PyFrameObject *frame, int at)
{
    PyObject *last = NULL, *waits = NULL, *place = NULL, *values = NULL, *writes = NULL, *line = NULL;
    PyCodeObject *code = PyFrame_GetCode(frame);
    int begun = 0;
    if (is_true(self->console, s_due) <= 0) {
        goto done;
    }
    last = PyObject_GetAttr(self->console, s_last);
    if (last == NULL || !PyTuple_CheckExact(last) || PyTuple_GET_SIZE(last) != 3
        || PyTuple_GET_ITEM(last, 0) != (PyObject *)code || PyLong_AsLong(PyTuple_GET_ITEM(last, 1)) != at) {
        goto done;
    }
    PyObject *call = PyTuple_GET_ITEM(last, 2);
    if (is_true(call, s_passes) != 0 || is_true(call, s_is_print) != 1) {
        goto done;
    }
    waits = PyObject_GetAttr(self->console, s_waiting);
    Py_ssize_t waiting = waits == NULL ? -1 : PyLong_AsSsize_t(waits);
    if (waiting < 0 || (waiting += PyUnicode_GET_LENGTH(text) + self->usual) >= self->limit) {
        goto done;
    }
    place = place_of(self);
    values = place == NULL ? NULL : with_step(variables_of(call, frame), place);
    writes = values == NULL ? NULL : PyObject_GetAttr(call, s_writes);
    line = writes == NULL ? NULL : PyList_New(TEXT + 1);
    if (line == NULL) {
        goto done;
    }
    Py_SETREF(waits, PyLong_FromSsize_t(waiting));
    PyList_SET_ITEM(line, FRAME, Py_NewRef(frame));
    PyList_SET_ITEM(line, AT, PyLong_FromLong(at));
    PyList_SET_ITEM(line, CODE, Py_NewRef(code));
    PyList_SET_ITEM(line, THREAD, PyLong_FromUnsignedLong(PyThread_get_thread_ident()));
    PyList_SET_ITEM(line, WRITES, Py_NewRef(writes));
    PyList_SET_ITEM(line, TIME, PyFloat_FromDouble(seconds_since_epoch()));
    PyList_SET_ITEM(line, STREAM, Py_NewRef(self->number));
    PyList_SET_ITEM(line, CALL, Py_NewRef(call));
    PyList_SET_ITEM(line, VALUES, Py_NewRef(values));
    PyList_SET_ITEM(line, PLACE, Py_NewRef(place));
    PyList_SET_ITEM(line, TEXT, Py_NewRef(text));
    if (waits == NULL || PyErr_Occurred() || PyObject_SetAttr(self->console, s_waiting, waits) < 0) {
        goto done;
    }
    /* A finalizer may have printed since the look at it. */
    PyObject *other = PyList_GET_ITEM(self->begun, 0);
    if (other != self->no_line) {
        goto done;
    }
    PyList_SET_ITEM(self->begun, 0, Py_NewRef(line));
    Py_DECREF(other);
    begun = 1;
done:
    if (PyErr_Occurred()) {
        PyErr_Clear();
    }
    Py_XDECREF(last);
    Py_XDECREF(waits);
    Py_XDECREF(place);
    Py_XDECREF(values);
    Py_XDECREF(writes);
    Py_XDECREF(line);
    Py_DECREF(code);
    return begun;
}

/* Let Python do it, contained.  -1 where that raised, which is the user's own then, unless there was no room for that
   call: what has been in it leaves a trace. */
static int
in_python(Write *self, PyObject *function, PyObject *const *given, size_t count)
{
    PyObject *args[5] = {s_console, function};
    memcpy(args + 2, given, count * sizeof(PyObject *));
    PyObject *result = PyObject_Vectorcall(self->contain, args, count + 2, NULL);
    if (result == NULL && PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        if (trace == NULL) {
            Py_DECREF(type);
            Py_XDECREF(error);
            return 0;
        }
        PyErr_Restore(type, error, trace);
    }
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* A line is at its end. */
static void
add(Write *self, PyObject *line)
{
    PyObject *added = PyObject_CallOneArg(self->append, line);
    if (added == NULL) {
        PyErr_Clear();
    }
    Py_XDECREF(added);
}

/* Keep a text that could not be noted, and no more of it: behind what its thread has begun, which ends with that. */
static void
keep(Write *self, PyObject *text)
{
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    unsigned long thread = PyThread_get_thread_ident();
    PyObject *lost = Py_BuildValue("[OiOkidOOOOO]", Py_None, DONE, Py_None, thread, 0, seconds_since_epoch(), self->number,
                                   self->nowhere, Py_None, Py_None, text);
    PyObject *line = Py_NewRef(PyList_GET_ITEM(self->begun, 0));
    if (line != self->no_line && PyLong_AsUnsignedLong(PyList_GET_ITEM(line, THREAD)) == thread
        && PyLong_AsLong(PyList_GET_ITEM(line, AT)) != DONE) {
        PyList_SetItem(self->begun, 0, Py_NewRef(self->no_line));
        PyList_SetItem(line, AT, PyLong_FromLong(DONE));
        PyList_SetItem(line, FRAME, Py_NewRef(Py_None));
        add(self, line);
    }
    Py_DECREF(line);
    if (lost != NULL) {
        add(self, lost);
        Py_DECREF(lost);
    }
    PyErr_Clear();
    PyErr_Restore(type, error, trace);
}

/* Note what was written.  -1 with an exception that is the user's own. */
static int
noted(Write *self, PyObject *text)
{
    PyFrameObject *frame = PyEval_GetFrame();
    if (frame == NULL) { /* the interpreter itself, at its end */
        PyErr_Clear();
        return 0;
    }
    int at = PyFrame_GetLasti(frame), result = 0;
    Py_ssize_t size = PyUnicode_GET_LENGTH(text);
    Py_UCS4 first = size > 0 ? PyUnicode_READ_CHAR(text, 0) : 0;
    PyObject *line = Py_NewRef(PyList_GET_ITEM(self->begun, 0));
    Py_INCREF(frame);
    if (line == self->no_line) {
        if (first > 0x1f && PyDict_GET_SIZE(self->lines) == 0 && begin(self, text, frame, at)) {
            goto done;
        }
    }
    else if (size <= SHORT && PyList_GET_ITEM(line, FRAME) == (PyObject *)frame
             && PyLong_AsLong(PyList_GET_ITEM(line, AT)) == at) {
        if (first > 0x1f) {
            if (PyList_Append(line, text) == 0) { /* `print` writes each argument by itself */
                goto done;
            }
            PyErr_Clear();
        }
        else if (first == '\n' && size == 1 && PyList_Append(line, text) == 0) {
            PyList_SetItem(line, FRAME, Py_NewRef(Py_None));
            PyList_SetItem(line, AT, PyLong_FromLong(DONE));
            PyList_SetItem(self->begun, 0, Py_NewRef(self->no_line));
            add(self, line);
            int due = is_true(self->console, s_due);
            if (due < 0) {
                PyErr_Clear();
            }
            if (due <= 0 || PyList_GET_SIZE(line) > FEW) {
                result = in_python(self, self->taken_in, &line, 1);
            }
            goto done;
        }
        PyErr_Clear();
    }
    PyObject *taken = PyList_New(1);
    if (taken == NULL) {
        PyErr_Clear();
        goto done;
    }
    PyList_SET_ITEM(taken, 0, Py_NewRef(text));
    PyObject *given[3] = {self->number, taken, (PyObject *)frame};
    result = in_python(self, self->note, given, 3);
    if (PyList_GET_SIZE(taken) == 1 && PyList_GET_ITEM(taken, 0) != Py_None) {
        keep(self, text);
    }
    Py_DECREF(taken);
done:
    Py_DECREF(frame);
    Py_DECREF(line);
    return result;
}

static PyObject *
write_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Write *self = (Write *)object;
    size_t count = (size_t)PyVectorcall_NARGS(nargsf);
    Py_INCREF(self); /* what is written to may put another in its place */
    PyObject *result = self->put != Py_None ? PyObject_Vectorcall(self->put, args, count, names)
                                            : put_weakly(self, args, count, names);
    if (result != NULL && self->console != Py_None && (count > 0 || (names != NULL && PyTuple_GET_SIZE(names) > 0))
        && PyUnicode_Check(args[0])) {
        PyObject *text = PyUnicode_CheckExact(args[0]) ? Py_NewRef(args[0]) : PyUnicode_FromObject(args[0]);
        if (text == NULL) {
            PyErr_Clear();
        }
        else if (noted(self, text) < 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(text);
    }
    Py_DECREF(self);
    return result;
}

static PyObject *
write_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {
        "put", "there", "plain", "console", "number", "begun", "lines", "append", "no_line", "nowhere", "contain", "note",
        "taken_in", "here", "opened", "latest", "job", "usual", "limit", NULL,
    };
    PyObject *given[17];
    Py_ssize_t usual, limit;
    PyObject **g = given;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$OOOOOO!O!OO!OOOOOOOOnn:Write", keywords, g, g + 1, g + 2, g + 3, g + 4,
                                     &PyList_Type, g + 5, &PyDict_Type, g + 6, g + 7, &PyList_Type, g + 8, g + 9, g + 10,
                                     g + 11, g + 12, g + 13, g + 14, g + 15, g + 16, &usual, &limit)) {
        return NULL;
    }
    Write *self = (Write *)type->tp_alloc(type, 0);
    if (self != NULL) {
        PyObject **kept[17] = {
            &self->put, &self->there, &self->plain, &self->console, &self->number, &self->begun, &self->lines,
            &self->append, &self->no_line, &self->nowhere, &self->contain, &self->note, &self->taken_in, &self->here,
            &self->opened, &self->latest, &self->job,
        };
        for (int i = 0; i < 17; i++) {
            *kept[i] = Py_NewRef(given[i]);
        }
        self->usual = usual;
        self->limit = limit;
        self->vectorcall = write_vectorcall;
    }
    return (PyObject *)self;
}

#define EACH_MEMBER(X) \
    X(put) X(there) X(plain) X(console) X(number) X(begun) X(lines) X(append) X(no_line) X(nowhere) X(contain) X(note) \
    X(taken_in) X(here) X(opened) X(latest) X(job)

static int
write_traverse(Write *self, visitproc visit, void *arg)
{
#define VISIT(name) Py_VISIT(self->name);
    EACH_MEMBER(VISIT)
#undef VISIT
    return 0;
}

static int
write_clear(Write *self)
{
    /* Not NULL: a finalizer of the same circle may write still, which is noted no more. */
#define LET_GO(name) Py_SETREF(self->name, Py_NewRef(Py_None));
    LET_GO(console) LET_GO(note) LET_GO(taken_in) LET_GO(put) LET_GO(job)
#undef LET_GO
    return 0;
}

static void
write_dealloc(Write *self)
{
    PyObject_GC_UnTrack(self);
    if (self->weak != NULL) {
        PyObject_ClearWeakRefs((PyObject *)self);
    }
#define LET_GO(name) Py_CLEAR(self->name);
    EACH_MEMBER(LET_GO)
#undef LET_GO
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* What it stands for: a method of the stream, or, where that is gone, of its class. */
static PyObject *
method_of(Write *self)
{
    if (self->put != Py_None) {
        return Py_NewRef(self->put);
    }
    PyObject *stream = PyObject_CallNoArgs(self->there);
    if (stream == NULL) {
        return NULL;
    }
    descrgetfunc bind = Py_TYPE(self->plain)->tp_descr_get;
    PyObject *method = stream == Py_None || bind == NULL ? Py_NewRef(self->plain)
                                                         : bind(self->plain, stream, (PyObject *)Py_TYPE(stream));
    Py_DECREF(stream);
    return method;
}

/* It passes for that: all attributes are of the method. */
static PyObject *
write_getattro(PyObject *object, PyObject *name)
{
    if (PyUnicode_Check(name)
        && (PyUnicode_CompareWithASCIIString(name, "__deepcopy__") == 0
            || PyUnicode_CompareWithASCIIString(name, "__copy__") == 0)) {
        return PyObject_GenericGetAttr(object, name);
    }
    PyObject *method = method_of((Write *)object);
    if (method == NULL) {
        return NULL;
    }
    PyObject *found = PyObject_GetAttr(method, name);
    Py_DECREF(method);
    return found;
}

static PyObject *
write_repr(Write *self)
{
    PyObject *method = method_of(self);
    PyObject *text = method == NULL ? NULL : PyObject_Repr(method);
    Py_XDECREF(method);
    return text;
}

static PyObject *
write_copy(PyObject *self, PyObject *ignored)
{
    return Py_NewRef(self);
}

/* The same, as of any method that is written in C; within a copy of its stream, that of the copy. */
static PyObject *
write_deepcopy(Write *self, PyObject *memo)
{
    PyObject *stream = PyObject_CallNoArgs(self->there), *copied = NULL, *method = NULL;
    if (stream != NULL && PyDict_Check(memo)) {
        PyObject *key = PyLong_FromVoidPtr(stream);
        copied = key == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(memo, key));
        Py_XDECREF(key);
    }
    if (copied != NULL && copied != stream) {
        descrgetfunc bind = Py_TYPE(self->plain)->tp_descr_get;
        method = bind == NULL ? Py_NewRef(self->plain) : bind(self->plain, copied, (PyObject *)Py_TYPE(copied));
    }
    else if (!PyErr_Occurred()) {
        method = Py_NewRef(self);
    }
    Py_XDECREF(stream);
    Py_XDECREF(copied);
    return method;
}

static PyMethodDef write_methods[] = {
    {"__copy__", write_copy, METH_NOARGS, NULL},
    {"__deepcopy__", (PyCFunction)write_deepcopy, METH_O, NULL},
    {NULL},
};

static PyTypeObject WriteType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "autotrack.capture._write.Write",
    .tp_basicsize = sizeof(Write),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_new = write_new,
    .tp_dealloc = (destructor)write_dealloc,
    .tp_traverse = (traverseproc)write_traverse,
    .tp_clear = (inquiry)write_clear,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(Write, vectorcall),
    .tp_weaklistoffset = offsetof(Write, weak),
    .tp_getattro = write_getattro,
    .tp_repr = (reprfunc)write_repr,
    .tp_methods = write_methods,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "autotrack.capture._write", .m_size = -1};

PyMODINIT_FUNC
PyInit__write(void)
{
#define INTERN(name) \
    if ((s_##name = PyUnicode_InternFromString(#name)) == NULL) { \
        return NULL; \
    }
    NAMES(INTERN)
#undef INTERN
    if ((shown_step = PyUnicode_InternFromString("%step")) == NULL) { /* shown.STEP */
        return NULL;
    }
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddType(made, &WriteType) < 0) {
        Py_CLEAR(made);
    }
    return made;
}
