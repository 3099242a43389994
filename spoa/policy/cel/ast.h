/* The tree of an expression. The parser builds it, the checker resolves names
 * and overloads in place, the evaluator walks it. Everything lives in the arena
 * given to cel_compile and is immutable afterwards. */
#ifndef POLICY_CEL_AST_H
#define POLICY_CEL_AST_H

#include "base/caps.h"
#include "policy/cel/cel.h"

enum cel_op { /* in groups that ranges name */
	/* built by the parser */
	OP_CONST,
	OP_IDENT,  /* name */
	OP_SELECT, /* kid[0].name; F_TEST: has() */
	OP_INDEX,  /* kid[0][kid[1]] */
	OP_CALL,   /* name(kid...); F_MEMBER: kid[0] is the receiver */
	OP_LIST,   /* kids */
	OP_MAPLIT, /* kids: key, value, key, value */
	OP_AND,	   /* two kids or more */
	OP_OR,
	OP_NOT,
	OP_NEG,
	OP_COND,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_IN,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	/* macros over kid[0] with one or two variables */
	OP_ALL,		   /* kid[1]: predicate */
	OP_EXISTS,	   /* kid[1]: predicate */
	OP_EXISTS_ONE,	   /* kid[1]: predicate */
	OP_FILTER,	   /* kid[1]: predicate */
	OP_TRANSFORM_LIST, /* kid[1]: value; kid[2], where given: predicate */
	OP_TRANSFORM_MAP,  /* the same */
	OP_BIND,	   /* kid[0]: value of the variable; kid[1]: body */
	/* put in by the checker */
	OP_SLOT,    /* slot of the environment */
	OP_PRESENT, /* has() of a slot */
	OP_LOCAL,   /* variable of a macro */
	OP_NAME,    /* without an environment: a dotted name, asked for at run time */
};

enum {
	F_TEST = 1,   /* OP_SELECT is has() */
	F_MEMBER = 2, /* OP_CALL has a receiver */
	F_ROOT = 4,   /* OP_IDENT with a leading dot: never a macro's variable */
	F_QUOTED = 8, /* OP_SELECT of a name in backticks: no part of a dotted name */
};

/* A type as far as the checker follows it: one level of elements. */
struct cel_styp {
	uint8_t t;    /* enum cel_type; CEL_DYN: known at run time only */
	uint8_t elem; /* of CEL_LIST: elements; of CEL_MAP: values */
};

struct cel_fn;

struct cel_node {
	uint8_t op; /* enum cel_op */
	uint8_t flags;
	uint8_t nvars; /* macros: 1 or 2 */
	uint8_t local; /* OP_LOCAL; macros: number of the first variable */
	uint32_t at;   /* byte offset in the source */
	uint32_t nkids;
	uint16_t depth; /* of the tree below, this node included */
	struct cel_styp type;
	union {
		struct cel_value value; /* OP_CONST */
		struct span name;   /* OP_IDENT, OP_SELECT, OP_NAME, OP_CALL until checked */
		struct span var[2]; /* macros: names of the variables */
		uint32_t slot;	    /* OP_SLOT, OP_PRESENT: number in the program's own list */
		struct {	    /* OP_CALL once checked */
			struct span name;
			const struct cel_fn *const *fn; /* candidates; none: unknown function */
			uint32_t nfn;
			const void *aux; /* what its prepare() made of a constant argument */
		} call;
	};
	struct cel_node *kid[];
};

struct cel_slot_decl {
	uint32_t slot; /* in the environment */
	uint8_t type;  /* as declared there */
};

struct cel_program {
	const struct cel_node *root;
	enum cel_type want;
	const struct cel_slot_decl *slots; /* what it may read of the environment */
	uint32_t nslots;
};

/* Fills *err with line and column of the byte offset `at`; returns false. */
__attribute__((format(printf, 4, 5))) bool cel_error_at(
	struct cel_error *err, struct span src, size_t at, const char *fmt, ...);

/* Parses all of src and expands macros. NULL with *err filled. */
struct cel_node *cel_parse(struct arena *a, struct span src, struct cel_error *err);

/* Resolves names, chooses overloads, finds the type of every node. */
struct cel_check {
	struct arena *a;
	const struct cel_env *env; /* NULL: names and types are left to run time */
	struct span src;
	struct cel_error *err;
	struct cel_slot_decl slots[CAP_CEL_SLOTS]; /* as in cel_program */
	uint32_t nslots;
	struct span scope[CAP_CEL_VARS]; /* variables of the macros around */
	struct cel_styp scope_type[CAP_CEL_VARS];
	uint32_t nscope;
	int64_t fold_steps; /* left for folding */
	size_t fold_bytes;
};
bool cel_check(struct cel_check *k, struct cel_node *n);

#endif
