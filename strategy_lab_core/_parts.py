"""How kernels are compiled: whatever is part of a kernel becomes machine code once, inside it.

Numba gives every function machine code of its own, optimises it for that together with all that it
calls, and lets each caller do so again; and as anybody might call it, its arguments stay as they
are. A part is kept in LLVM's language instead, and belongs to the kernel that is called from
Python: optimised and turned into machine code once, called without the arguments that it does not
look at.
"""

from typing import Any

from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core import codegen, compiler, compiler_machinery, typed_passes

__all__ = ["InlinedCompiler", "KernelCompiler", "PartCompiler"]

# Without types, as most of Numba.
_Library: Any = codegen.JITCodeLibrary
_Lowering: Any = typed_passes.NativeLowering
_usual: Any = compiler.DefaultPassBuilder
_machinery: Any = compiler_machinery


class _PartLibrary(_Library):  # type: ignore[misc]
    """Code to be linked into that of its callers."""

    def finalize(self) -> None:
        """Take in what the part calls; neither optimise it nor make machine code of it."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True


class _KernelLibrary(_Library):  # type: ignore[misc]
    """Code that is called from Python, with its parts."""

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage.name == "linkonce_odr" and not function.is_declaration:
                function.linkage = "internal"
        super()._optimize_final_module()


@_machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(_Lowering):  # type: ignore[misc]
    _name = "kernel_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower a typed function into a `_KernelLibrary`, and compile it."""
        state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


@_machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _PartLowering(_Lowering):  # type: ignore[misc]
    _name = "part_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower a typed function into a `_PartLibrary`."""
        context = state.targetctx
        state.library = _PartLibrary(context.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered, no_address = state["cr"], 0
        if not state.flags.forceinline:  # LLVM takes many arguments for a reason to inline
            made = state.library.get_function(lowered.fndesc.llvm_func_name)
            made.add_function_attribute("noinline")
        entry = _dynfunc.make_function(
            lowered.fndesc.lookup_module(), state.func_id.func_name, "", no_address, lowered.env, ()
        )
        context.insert_user_function(entry, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=entry)
        return True


@_machinery.register_pass(mutates_CFG=True, analysis_only=False)
class _InlinedLowering(_Lowering):  # type: ignore[misc]
    _name = "inlined_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower a typed function, always to be part of its caller."""
        state.flags.forceinline = True  # from the start, all that it calls would take after it
        return bool(super().run_pass(state))


def _pipelines(state: Any, lowering: Any) -> list[Any]:
    """Return Numba's usual passes, with one lowering for another."""
    passes = _usual.define_nopython_pipeline(state)
    passes.passes = [(lowering if each is _Lowering else each, why) for each, why in passes.passes]
    passes.finalize()
    return [passes]


class InlinedCompiler(compiler.CompilerBase):
    """Compiles what becomes part of its callers; what it calls is called as ever."""

    def define_pipelines(self) -> list[Any]:
        """Return the one list of passes."""
        return _pipelines(self.state, _InlinedLowering)


class KernelCompiler(compiler.CompilerBase):
    """Compiles what is called from Python."""

    def define_pipelines(self) -> list[Any]:
        """Return the one list of passes."""
        return _pipelines(self.state, _KernelLowering)


class PartCompiler(compiler.CompilerBase):
    """Compiles what is called from kernels only."""

    def define_pipelines(self) -> list[Any]:
        """Return the one list of passes."""
        return _pipelines(self.state, _PartLowering)
