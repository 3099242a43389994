# The program is built to be hard to take over; sanitized builds have checks of their own.
# Once: no version of HAProxy differs here.
. "$(dirname "$0")/lib.sh"
program=$build/tollgate
if nm "$program" | grep -q __asan_init; then
	skip "the program is hardened" "a sanitized build"
	exit 0
fi
head=$(readelf -hlW "$program") dynamic=$(readelf -dW "$program")
like "its code may lie anywhere" "$head" 'Position-Independent|DYN \(Shared'
like "its relocations are read-only" "$head" GNU_RELRO
like "all of them, before it starts" "$dynamic" 'BIND_NOW|FLAGS.*NOW'
like "its stack is not executable" "$head" 'GNU_STACK .* RW '
unlike "nothing is writable and executable" "$head" 'LOAD .* RWE '
like "the C library checks the sizes that are known" "$(nm -D "$program")" '__(memcpy|snprintf|vsnprintf)_chk'
if cc -fcf-protection -E -x c /dev/null >/dev/null 2>&1; then
	like "jumps land where they may" "$(objdump -d --no-show-raw-insn -j .text "$program" | grep -m 1 endbr64)" endbr64
fi
