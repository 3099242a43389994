/* The Common Expression Language (CEL): an expression is compiled once, when the policy is
 * loaded, and evaluated for each request. A program is immutable and shared. Evaluation
 * allocates only from the caller's arena. */
#ifndef POLICY_CEL_CEL_H
#define POLICY_CEL_CEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum cel_type {
	CEL_NULL,
	CEL_BOOL,
	CEL_INT,
	CEL_UINT,
	CEL_DOUBLE,
	CEL_STRING,
	CEL_BYTES,
	CEL_LIST,
	CEL_MAP,
	CEL_TIMESTAMP,
	CEL_DURATION,
	CEL_TYPE,
	CEL_IP,
	CEL_CIDR,
	CEL_DYN,   /* any type; only in declarations */
	CEL_ERROR, /* an error whose message is s; only in values */
};

/* A value. Strings, lists and maps are borrowed. */
struct cel_value {
	enum cel_type type;
	uint8_t family; /* IP, CIDR: 4 or 6 */
	uint8_t prefix; /* CIDR: length */
	/* MAP: other programs read its keys ignoring case. If another key differs from the
	 * requested one in case only, reading it is an error, and so is comparing such a map */
	bool caseless;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		struct span s; /* STRING, BYTES, ERROR, TYPE (its name) */
		struct {
			const struct cel_value *v; /* LIST: n values; MAP: n pairs, 2n values */
			size_t n;
		} list;
		struct {
			int64_t s;  /* seconds since 1970, or of a duration */
			int32_t ns; /* 0 to 999,999,999; of a negative duration 0 to
				       -999,999,999 */
		} t;
		unsigned char ip[16]; /* IP, CIDR: 4 or 16 bytes, the rest 0 */
	};
};

/* A path of the environment that a program may read, such as { "identity.person", CEL_STRING }.
 * `now` and `data` are rows too. The index of the row is the slot. */
struct cel_var {
	const char *path;
	enum cel_type type;
	enum cel_type elem; /* type of a list's elements, or of a map's values */
};

struct cel_env {
	const struct cel_var *vars;
	size_t n;
};

/* A mistake in an expression. */
struct cel_error {
	unsigned line, column; /* 1-based, within the expression */
	char message[240];
};

struct cel_program;

/* Parses and checks `src` against `env`. If `env` is NULL, names are not checked, values come
 * from cel_activation.lookup_name, and type errors are left to run time. The program lives in
 * the arena and does not borrow from `src`. `want` is the type of the result (CEL_DYN: any).
 * Returns NULL with *err filled. */
const struct cel_program *cel_compile(struct arena *a, const struct cel_env *env,
	struct span src, enum cel_type want, struct cel_error *err);
/* Returns the type of the program's value, as far as it is known (CEL_DYN: any), and for a list
 * that of its elements. */
void cel_result(const struct cel_program *p, enum cel_type *type, enum cel_type *elem);
/* Returns true if the program may read the slot. */
bool cel_reads(const struct cel_program *p, size_t slot);
/* Calls name() for each NAME in `"NAME" in slot`. Returns false if the program may also read
 * the slot in another way, so that it may depend on other names. */
bool cel_names(const struct cel_program *p, size_t slot,
	void (*name)(void *arg, struct span name), void *arg);

/* Calls literal() for each string that the slot is compared with: ==, != and `slot in
 * [...]`. */
void cel_compared(const struct cel_program *p, size_t slot,
	void (*literal)(void *arg, struct span text), void *arg);

/* Returns true if the program compares a number that double() makes of a string, and no
 * comparison of that number gives `wants` if the string is "NaN". */
bool cel_lets_nan(const struct cel_program *p, bool wants);

/* The source of values for one evaluation. */
struct cel_activation {
	void *ctx;
	/* Returns the value of a slot. Called at most once for each slot and evaluation. Never
	 * fails: a missing value is "", [], 0, 0.0 or an empty map (dyn: CEL_ERROR with a
	 * message). *present is the result of has(). */
	struct cel_value (*lookup)(void *ctx, size_t slot, bool *present);
	/* Without an environment: looks up a name such as "a" or "a.b.c". Returns false if it
	 * is unknown. */
	bool (*lookup_name)(void *ctx, struct span name, struct cel_value *out);
	uint64_t max_steps; /* 0: the default budget */
};

/* Evaluates a program. Returns 0 with *out (never CEL_ERROR), or a negative error with *out a
 * CEL_ERROR whose string is the reason: ERR_LIMIT (steps or memory; CAP_CEL_*), ERR_NOMEM (the
 * arena), or ERR_RANGE (every error of the expression itself). Messages name types and words of
 * the expression, never a value. Any thread. *out borrows from `a`, the program, and the values
 * of lookup(). */
int cel_eval(const struct cel_program *p, const struct cel_activation *act, struct arena *a,
	struct cel_value *out);

/* Evaluates a condition for which only the slots with known() true have a value. Returns 1 or 0
 * if this is the result whatever the other slots hold, or -1 if it depends on them or fails. */
int cel_partial(const struct cel_program *p, const struct cel_activation *act,
	bool (*known)(void *ctx, size_t slot), struct arena *a);

/* Appends the value as JSON. */
void cel_json(const struct cel_value *v, struct buf *out);

static inline struct cel_value
cel_string(struct span s)
{
	return (struct cel_value){ .type = CEL_STRING, .s = s };
}

static inline struct cel_value
cel_int(int64_t i)
{
	return (struct cel_value){ .type = CEL_INT, .i = i };
}

static inline struct cel_value
cel_uint(uint64_t u)
{
	return (struct cel_value){ .type = CEL_UINT, .u = u };
}

static inline struct cel_value
cel_double(double d)
{
	return (struct cel_value){ .type = CEL_DOUBLE, .d = d };
}

static inline struct cel_value
cel_bool(bool b)
{
	return (struct cel_value){ .type = CEL_BOOL, .b = b };
}

static inline struct cel_value
cel_list(const struct cel_value *v, size_t n)
{
	return (struct cel_value){ .type = CEL_LIST, .list = { v, n } };
}

#endif
