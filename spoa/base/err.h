/* The errors of all functions. A function returns 0 or a positive count on success, and a
 * negative member of this enum on failure. err_str() returns the text for logs. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/* clang-format off */
#define ERR_TABLE(X) \
	X(ERR_NOMEM,       -1,  "out of memory") \
	X(ERR_LIMIT,       -2,  "over a configured cap") \
	X(ERR_SYNTAX,      -3,  "malformed") \
	X(ERR_ENCODING,    -4,  "not valid UTF-8") \
	X(ERR_DUPLICATE,   -5,  "given twice") \
	X(ERR_RANGE,       -6,  "out of range") \
	X(ERR_UNSUPPORTED, -7,  "not supported") \
	X(ERR_IO,          -8,  "input/output error") \
	X(ERR_TIMEOUT,     -9,  "deadline passed") \
	X(ERR_AUTH,        -10, "does not verify") \
	X(ERR_NOTFOUND,    -11, "not found") \
	X(ERR_BAD_STATE,       -12, "not allowed in this state") \
	X(ERR_TRUNCATED,   -13, "ends too early") \
	X(ERR_AMBIGUOUS,   -14, "ambiguous") \
	X(ERR_CLOSED,      -15, "closed by the peer") \
	X(ERR_FULL,        -16, "full")
/* clang-format on */

enum err {
#define X(name, value, text) name = value,
	ERR_TABLE(X)
#undef X
};

/* Returns a short English phrase for a member of enum err; never NULL. */
const char *err_str(int err);

/* Checks a condition that only a bug of this program can break. Aborts in every build. No input
 * may make the condition false. */
#define INVARIANT(x) \
	(__builtin_expect(!(x), 0) ? invariant_failed(#x, __FILE__, __LINE__) : (void)0)

/* Writes the expression, the place and the thread's name to stderr, calls invariant_hook with
 * the same line, and aborts. Any thread; allocates nothing and takes no lock. */
_Noreturn void invariant_failed(const char *expr, const char *file, int line)
	__attribute__((cold));
/* Sends the line, without a line end, to the log's second destination. NULL: the line is written
 * to stderr only. Set before threads start. The function may neither wait nor allocate. */
extern void (*invariant_hook)(const char *line);

#endif
