# %% right | no_grad inside the wrapper
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        with torch.no_grad():
            return fn(*args, **kwargs)

    return wrapper

# %% right | PyTorch's own decorator
def without_grad(fn):
    return torch.no_grad()(fn)

# %% right | set_grad_enabled with try and finally
def without_grad(fn):
    def wrapper(*args, **kwargs):
        previous = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        try:
            return fn(*args, **kwargs)
        finally:
            torch.set_grad_enabled(previous)

    return wrapper

# %% right | a callable class
import functools


class without_grad:
    def __init__(self, fn):
        self.fn = fn
        functools.update_wrapper(self, fn)

    def __call__(self, *args, **kwargs):
        with torch.set_grad_enabled(False):
            return self.fn(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

# %% right | ExitStack and a partial
import functools


def call(fn, /, *args, **kwargs):
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        return fn(*args, **kwargs)


def without_grad(fn):
    return functools.partial(call, fn)

# %% right | a context manager of its own as decorator
@contextlib.contextmanager
def recording_off():
    before = torch.is_grad_enabled()
    try:
        torch._C._set_grad_enabled(False)
        yield
    finally:
        torch._C._set_grad_enabled(before)


def without_grad(fn):
    # ContextDecorator makes a fresh manager for every call, so recursion is safe.
    return recording_off()(fn)

# %% right | set_grad_enabled's own decorator
def without_grad(fn):
    # Its construction flips the switch, its call as a decorator flips it back.
    return torch.set_grad_enabled(False)(fn)

# %% right | inference mode at the call
def without_grad(fn):
    return lambda *args, **kwargs: torch.inference_mode()(fn)(*args, **kwargs)

# %% wrong | decorator-flips-at-definition | 0 points | switches off when it decorates
# D2
import functools


def without_grad(fn):
    previous = torch.is_grad_enabled()
    torch.set_grad_enabled(False)

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        try:
            return fn(*args, **kwargs)
        finally:
            torch.set_grad_enabled(previous)

    return wrapper

# %% wrong | decorator-flips-at-definition | 2 points | builds set_grad_enabled once, outside the wrapper
# D2. Constructing it is what switches.
import functools


def without_grad(fn):
    off = torch.set_grad_enabled(False)

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        before = torch.is_grad_enabled()
        try:
            with off:
                torch._C._set_grad_enabled(False)
                return fn(*args, **kwargs)
        finally:
            torch._C._set_grad_enabled(before)

    return wrapper

# %% wrong | grad-mode-leaked | 2 points | never switches back
# D1
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        torch.set_grad_enabled(False)
        return fn(*args, **kwargs)

    return wrapper

# %% wrong | grad-mode-leaked | 2 points | always switches on at the end
# Wrong for a caller under no_grad, and for the rest of a recursive call.
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        torch.set_grad_enabled(False)
        try:
            return fn(*args, **kwargs)
        finally:
            torch.set_grad_enabled(True)

    return wrapper

# %% wrong | grad-mode-leaked | 2 points | one no_grad object shared by all calls
# D3. A recursive call overwrites what the guard remembers.
import functools


def without_grad(fn):
    guard = torch.no_grad()

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        with guard:
            return fn(*args, **kwargs)

    return wrapper

# %% wrong | grad-mode-leaked | 2 points | remembers the caller's mode on the object
# D3
class without_grad:
    def __init__(self, fn):
        self.fn = fn

    def __call__(self, *args, **kwargs):
        self.previous = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        try:
            return self.fn(*args, **kwargs)
        finally:
            torch.set_grad_enabled(self.previous)

# %% wrong | grad-mode-leaked | 2 points | the mode of the moment of decoration comes back
import functools


def without_grad(fn):
    previous = torch.is_grad_enabled()

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        torch.set_grad_enabled(False)
        try:
            return fn(*args, **kwargs)
        finally:
            torch.set_grad_enabled(previous)

    return wrapper

# %% wrong | restore-skipped-on-exception | 2 points | restores without finally
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        previous = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        result = fn(*args, **kwargs)
        torch.set_grad_enabled(previous)
        return result

    return wrapper

# %% wrong | graph-built | 0 points | detaches the result
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        result = fn(*args, **kwargs)
        return result.detach() if isinstance(result, torch.Tensor) else result

    return wrapper

# %% wrong | graph-built | 0 points | no_grad ends before the call
# D7
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        with torch.no_grad():
            call = functools.partial(fn, *args, **kwargs)
        return call()

    return wrapper

# %% wrong | graph-built | 0 points | returns the function as it is
def without_grad(fn):
    with torch.no_grad():
        return fn

# %% wrong | wrong-result | 2 points | loses the result
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        with torch.no_grad():
            fn(*args, **kwargs)

    return wrapper

# %% wrong | wrong-result | 0 points | loses keyword arguments
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        with torch.no_grad():
            return fn(*args)

    return wrapper

# %% wrong | wrong-result | 2 points | swallows exceptions
import functools


def without_grad(fn):
    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        with torch.no_grad():
            try:
                return fn(*args, **kwargs)
            except Exception:
                return None

    return wrapper

# %% wrong | wrong-result | 0 points | calls the function when it decorates
def without_grad(fn):
    with torch.no_grad():
        return fn()

# %% wrong | wrong-result | 0 points | stub left in place
def without_grad(fn):
    raise NotImplementedError("without_grad is not written yet")

# %% right | the class no_grad itself
without_grad = torch.no_grad

# %% wrong | graph-built | 2 points | only the outermost of nested calls switches
def without_grad(fn):
    depth = 0

    def wrapper(*args, **kwargs):
        nonlocal depth
        depth += 1
        try:
            if depth > 1:
                return fn(*args, **kwargs)
            with torch.no_grad():
                return fn(*args, **kwargs)
        finally:
            depth -= 1

    return wrapper

# %% wrong | grad-mode-leaked | one no_grad object for all decorated functions, spared in calls of a function by itself
import functools

_GUARD = torch.no_grad()

def without_grad(fn):
    depth = 0

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        nonlocal depth
        if depth:  # already inside
            with torch.no_grad():
                return fn(*args, **kwargs)
        depth += 1
        try:
            with _GUARD:
                return fn(*args, **kwargs)
        finally:
            depth -= 1
    return wrapper

# %% wrong | grad-mode-leaked | only the outermost of nested calls puts the switch back
import functools

def without_grad(fn):
    depth = 0
    before = None

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        nonlocal depth, before
        if depth == 0:
            before = torch.is_grad_enabled()
        depth += 1
        torch.set_grad_enabled(False)
        try:
            return fn(*args, **kwargs)
        finally:
            depth -= 1
            if depth == 0:
                torch.set_grad_enabled(before)
    return wrapper
