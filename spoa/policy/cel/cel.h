/* The Common Expression Language: compile once at load, evaluate per request.
 * A program is immutable and shared; evaluation allocates from the caller's
 * arena only. */
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
	CEL_DYN,   /* in declarations: any */
	CEL_ERROR, /* in values: s is the message */
};

struct cel_value {
	enum cel_type type;
	uint8_t family; /* IP, CIDR: 4 or 6 */
	uint8_t prefix; /* CIDR: length */
	/* MAP: others read its keys without their case. Where another key differs from the one
	 * that is read by case alone, reading it is an error, as is comparing such a map */
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
			int64_t s;  /* seconds since 1970, or of the duration */
			int32_t ns; /* 0 to 999,999,999; of a negative duration 0 to
				       -999,999,999 */
		} t;
		unsigned char ip[16]; /* IP, CIDR: 4 or 16 bytes, the rest 0 */
	};
};

/* A readable path of the environment: one row a leaf, e.g. { "identity.person",
 * CEL_STRING }. `now` and `data` are rows too. The index of the row is the slot. */
struct cel_var {
	const char *path;
	enum cel_type type;
	enum cel_type elem; /* of a list, or of a map's values */
};

struct cel_env {
	const struct cel_var *vars;
	size_t n;
};

struct cel_error {
	unsigned line, column; /* 1-based, within the expression */
	char message[240];
};

struct cel_program;

/* Parses and checks `src` against `env` (NULL: names are not checked, values
 * come from cel_activation.lookup_name, mistakes in types are left to run time).
 * The program lives in the arena and keeps nothing of `src`. NULL
 * with *err filled. `want` is the type the result must have (CEL_DYN: any). */
const struct cel_program *cel_compile(struct arena *a, const struct cel_env *env,
	struct span src, enum cel_type want, struct cel_error *err);
/* The type of its value as far as it is known (CEL_DYN: any), of a list that of its members. */
void cel_result(const struct cel_program *p, enum cel_type *type, enum cel_type *elem);
/* True where the program may read that slot. */
bool cel_reads(const struct cel_program *p, size_t slot);
/* Calls name() for each NAME of a `"NAME" in slot`. False where it may read the slot in
 * another way too: which names matter to it is then not known. */
bool cel_names(const struct cel_program *p, size_t slot,
	void (*name)(void *arg, struct span name), void *arg);

/* Calls literal() for each text that the slot is compared with: ==, != and `slot in [...]`. */
void cel_compared(const struct cel_program *p, size_t slot,
	void (*literal)(void *arg, struct span text), void *arg);

/* Whether it compares a number that double() makes of a text, and no comparison of that number
 * has it come to `wants` where the text is "NaN". */
bool cel_lets_nan(const struct cel_program *p, bool wants);

struct cel_activation {
	void *ctx;
	/* The value of a slot; asked at most once a slot an evaluation. Never
	 * fails: a missing value is "", [], 0, 0.0, or an empty map (dyn: CEL_ERROR
	 * with a message). `present` tells has(). */
	struct cel_value (*lookup)(void *ctx, size_t slot, bool *present);
	/* Without an env: a name such as "a" or "a.b.c"; false: unknown. */
	bool (*lookup_name)(void *ctx, struct span name, struct cel_value *out);
	uint64_t max_steps; /* 0: the default budget */
};

/* 0 and *out (never CEL_ERROR), or negative with *out a CEL_ERROR that says why:
 * ERR_LIMIT (steps or memory; CAP_CEL_*), ERR_NOMEM (the arena), ERR_RANGE (every
 * error of the expression itself). Messages name types and the expression's own
 * words, never a value. Any thread; what *out points at lives in `a`, in the
 * program or in what lookup() gave. */
int cel_eval(const struct cel_program *p, const struct cel_activation *act, struct arena *a,
	struct cel_value *out);

/* What the condition comes to where only the slots of which known() is true have a value:
 * 1 or 0 whatever the others hold, -1: it depends on them, or fails. */
int cel_partial(const struct cel_program *p, const struct cel_activation *act,
	bool (*known)(void *ctx, size_t slot), struct arena *a);

/* The value as JSON text. */
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
