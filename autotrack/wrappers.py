"""What stands in the place of a function or method that is observed: it pickles, copies and prints as that does."""

from __future__ import annotations

import copy
import pkgutil
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import wrapt

if TYPE_CHECKING:
    Bound: TypeAlias = wrapt.BoundFunctionWrapper[Any, Any]
    Function: TypeAlias = wrapt.FunctionWrapper[Any, Any]
else:  # before wrapt 2.2 they take no parameters
    Bound, Function = wrapt.BoundFunctionWrapper, wrapt.FunctionWrapper


class ObservedMethod(Bound):
    """A bound method of ours: pickles, copies and prints as the method that it stands for."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        owner = self._self_instance if self._self_instance is not None else self._self_owner
        return getattr, (owner, self.__wrapped__.__name__)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(4)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        if self._self_instance is None:
            return self
        return getattr(copy.deepcopy(self._self_instance, memo), self.__wrapped__.__name__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


class ObservedFunction(Function):
    """A function of ours: copies and prints as the function that it stands for.  It pickles by the name under which
    it stands, and is there what stands under that name: such a file needs no autotrack."""

    __bound_function_wrapper__ = ObservedMethod
    _self_target: str
    """Where it stands: `module:function` or `module:Class.method`."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        name = self.__wrapped__.__qualname__
        if vars(sys.modules.get(self.__module__, object)).get(name) is self:
            return name
        target = getattr(self, "_self_target", "")
        module, _, attribute = target.partition(":")
        if vars(sys.modules.get(module, object)).get(attribute) is self:
            return pkgutil.resolve_name, (target,)
        return copy.copy, (self.__wrapped__,)

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(4)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def __repr__(self) -> str:
        return repr(self.__wrapped__)
