"""A hint to the processor, as LLVM knows it: this place of an array will be read soon."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_INTO_ALL_CACHES = 3


def _prefetch(_typing_context: Any, array: Any, place: Any) -> Any:
    """Generates the code of `prefetch`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        hint_type = ir.FunctionType(ir.VoidType(), [address.type, flag, flag, flag])
        hint = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]  # numba types but a part
            builder.module, hint_type, "llvm.prefetch.p0"
        )
        builder.call(hint, [address, flag(0), flag(_INTO_ALL_CACHES), flag(1)])
        return context.get_dummy_value()

    return types.void(array, place), generate


prefetch: Any = intrinsic(_prefetch)
"""prefetch(array, place): begin to bring array[place] into the cache; harmless for any place, changes nothing."""
