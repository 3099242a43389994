/* The tree of an expression. The parser builds it, the checker resolves names and overloads in
 * place, and the evaluator walks it. The tree lives in the arena given to cel_compile() and is
 * immutable after that. */
#ifndef POLICY_CEL_AST_H
#define POLICY_CEL_AST_H

#include "base/caps.h"
#include "policy/cel/cel.h"

enum cel_op {
	/* built by the parser; the order matters, because ranges of operations are compared */
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
	OP_TRANSFORM_LIST, /* kid[1]: value; kid[2], if present: predicate */
	OP_TRANSFORM_MAP,  /* kid[1]: value; kid[2], if present: predicate */
	OP_BIND,	   /* kid[0]: value of the variable; kid[1]: body */
	/* made by the checker */
	OP_SLOT,    /* slot of the environment */
	OP_PRESENT, /* has() of a slot */
	OP_LOCAL,   /* variable of a macro */
	OP_NAME,    /* without an environment, a dotted name that is looked up at run time */
};

enum {
	F_TEST = 1,   /* OP_SELECT is has() */
	F_MEMBER = 2, /* OP_CALL has a receiver */
	F_ROOT = 4,   /* OP_IDENT with a leading dot: never a macro's variable */
	F_QUOTED = 8, /* OP_SELECT of a name in backticks: not part of a dotted name */
};

/* A type as far as the checker knows it: one level of elements. */
struct cel_styp {
	uint8_t t;    /* enum cel_type; CEL_DYN: known at run time only */
	uint8_t elem; /* type of the elements (CEL_LIST) or values (CEL_MAP) */
};

struct cel_fn;

/* One node. Lives in the arena, immutable after cel_compile(). */
struct cel_node {
	uint8_t op; /* enum cel_op */
	uint8_t flags;
	uint8_t nvars; /* macros: 1 or 2 */
	uint8_t local; /* OP_LOCAL; macros: number of the first variable */
	uint32_t at;   /* byte offset in the source */
	uint32_t nkids;
	uint16_t depth; /* depth of the tree from this node down */
	struct cel_styp type;
	union {
		struct cel_value value; /* OP_CONST */
		struct span name;   /* OP_IDENT, OP_SELECT, OP_NAME, OP_CALL until checked */
		struct span var[2]; /* macros: names of the variables */
		/* OP_SLOT, OP_PRESENT: index in the program's own list of slots */
		uint32_t slot;
		struct { /* OP_CALL after the check */
			struct span name;
			const struct cel_fn *const *fn; /* candidates; n 0: the function is
							 * unknown */
			uint32_t nfn;
			const void *aux; /* result of prepare() for a constant argument */
		} call;
	};
	struct cel_node *kid[];
};

/* A slot of the environment that a program may read. */
struct cel_slot_decl {
	uint32_t slot; /* slot in the environment */
	uint8_t type;  /* type that the environment declares */
};

/* A compiled program. Immutable, shared by all threads. */
struct cel_program {
	const struct cel_node *root;
	enum cel_type want;
	const struct cel_slot_decl *slots; /* slots of the environment that it may read */
	uint32_t nslots;
};

/* Fills *err with the line and column of byte offset `at` and a message. Returns false. */
__attribute__((format(printf, 4, 5))) bool cel_error_at(
	struct cel_error *err, struct span src, size_t at, const char *fmt, ...);

/* Parses all of `src` and expands macros. Returns NULL with *err filled. */
struct cel_node *cel_parse(struct arena *a, struct span src, struct cel_error *err);

/* State of the checker, which resolves names, chooses overloads, and finds the type of every
 * node. Lives on the stack of cel_compile(). */
struct cel_check {
	struct arena *a;
	const struct cel_env *env; /* NULL: names and types are left to run time */
	struct span src;
	struct cel_error *err;
	struct cel_slot_decl slots[CAP_CEL_SLOTS]; /* the slots, as in struct cel_program */
	uint32_t nslots;
	struct span scope[CAP_CEL_VARS]; /* variables of the enclosing macros */
	struct cel_styp scope_type[CAP_CEL_VARS];
	uint32_t nscope;
	int64_t fold_steps; /* steps that folding may still take */
	size_t fold_bytes;
};

#endif
