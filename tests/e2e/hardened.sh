# The hardening options of the compiler and the linker. Sanitized builds have checks of their own.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
program=$build/tollgate
if nm "$program" | grep -q __asan_init; then
	skip "the program is hardened" "a sanitized build"
	exit 0
fi
head=$(readelf -hlW "$program") dynamic=$(readelf -dW "$program")
like "the code is position-independent" "$head" 'Position-Independent|DYN \(Shared'
like "relocations are read-only" "$head" GNU_RELRO
like "relocations are complete before the program starts" "$dynamic" 'BIND_NOW|FLAGS.*NOW'
like "the stack is not executable" "$head" 'GNU_STACK .* RW '
unlike "no segment is writable and executable" "$head" 'LOAD .* RWE '
like "the C library checks known buffer sizes" "$(nm -D "$program")" '__(memcpy|snprintf|vsnprintf)_chk'
if cc -fcf-protection -E -x c /dev/null >/dev/null 2>&1; then
	like "indirect jumps must reach marked targets" "$(objdump -d --no-show-raw-insn -j .text "$program" | grep -m 1 endbr64)" endbr64
fi
