/* Tokens of the Common Expression Language (language definition, "Syntax"). */
#ifndef POLICY_CEL_LEX_H
#define POLICY_CEL_LEX_H

#include "policy/cel/cel.h"

enum cel_tok {
	TOK_END,
	TOK_IDENT,  /* text: the name; also keywords */
	TOK_QUOTED, /* text: the part between backticks */
	TOK_INT,    /* value.u: magnitude, up to 2^63 */
	TOK_UINT,
	TOK_DOUBLE,
	TOK_STRING,
	TOK_BYTES,
	TOK_PUNCT, /* punct: one or two characters */
};

#define PUNCT2(a, b) ((a) << 8 | (b))

struct cel_token {
	enum cel_tok tok;
	int punct; /* '(' or PUNCT2('&', '&') */
	uint32_t at;
	struct span text;
	struct cel_value value;
};

struct cel_lexer {
	struct arena *a; /* decoded literals */
	struct span src;
	size_t at;
	struct cel_error *err;
};

/* Reads the next token; at the end always TOK_END. Returns false with *err filled. */
bool cel_lex(struct cel_lexer *lx, struct cel_token *t);

/* Returns true for words that cannot be identifiers, but may be fields and methods. */
bool cel_reserved(struct span name);

#endif
