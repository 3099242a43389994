/* What a dialect is made of, for the files of text/ that read by it. */
#ifndef TEXT_TABLE_H
#define TEXT_TABLE_H

#include "text/dialect.h"

/* What may be at a path; anything else is refused. */
enum {
	T_STRING = 1,
	T_NUMBER = 2, /* where read as a count: an integer of zero or more, without sign,
			 fraction or exponent */
	T_BOOL = 4,
	T_NULL = 8,
	T_OBJECT = 16,
	T_ARRAY = 32,
	T_ANY = 63,
};

enum {
	F_RESERVED = 1, /* read by routing or the dialect: a finding is denied, not rewritten */
	F_DEEP = 2,	/* everything below has this role too, where no row says otherwise */
	F_OPAQUE = 4,	/* long base64 here, in a part of an opaque type, is not text */
};

/* What the value is read for, besides its text. */
enum row_read {
	READ_NOTHING,
	READ_MODEL,
	READ_STREAM,
	READ_OPTIONS,
	READ_INCLUDE_USAGE,
	READ_CAP,
	READ_CHOICES,
	READ_MESSAGE, /* an object whose "role" gives ROLE_BY_MESSAGE below it its meaning */
	READ_ROLE,
	READ_PART, /* an object whose "type" says whether it can be read */
	READ_SOURCE_TYPE,
	READ_TOOL,
};

/* Is in segments until the message that holds them has ended. */
#define ROLE_BY_MESSAGE ROLE_COUNT

/* One row: a path, "a.b" for members and "[*]" for elements. Keys that a row
 * names are those the dialect reads. */
struct row {
	const char *path;
	unsigned types;
	enum seg_role role;
	unsigned flags;
	enum row_read read;
};

/* A string that the provider sealed and clients send back: passes where it is no text. */
struct seal_row {
	const char *path;
	const char *of; /* the "type" of the object that holds it; NULL: any */
	/* Where it signs a block of reasoning: how many objects out that is, 1 the one that
	 * holds it; 0: it does not. */
	unsigned signs;
	const char *alone; /* what is in a list that would be empty without; NULL: nothing */
};
/* A list of content is never empty. */
#define ALONE_BLOCK "{\"type\":\"text\",\"text\":\"<REASONING>\"}"
#define ALONE_TEXT  "{\"text\":\"<REASONING>\"}"

/* Types of content parts: kind is NULL where its text is all there is. */
struct part_row {
	const char *type;
	const char *kind;
	bool by_source; /* opaque unless its source's type is "text" or "content" */
};

struct usage_row {
	const char *path;
	/* rows of one field add up */
	enum { USAGE_INPUT, USAGE_OUTPUT, USAGE_CACHED, USAGE_TOTAL, USAGE_FIELDS } field;
};

struct dialect {
	const char *name;
	bool json;
	const char *const *paths;      /* ends of request paths, NULL last */
	const struct row *rows;	       /* path NULL last */
	const struct part_row *parts;  /* type NULL last */
	const struct seal_row *seals;  /* path NULL last */
	const struct usage_row *usage; /* of a whole response; path NULL last */
	const char *cap; /* the member that caps the output, where a body has none; NULL: no
			    models here */
	bool asks_usage; /* a stream reports usage only where asked (stream_options) */
	/* One line each; type and code are chosen by then. */
	void (*error)(struct buf *out, const char *type, const char *code, struct span message,
		struct span id);
	const char *stream_begin; /* of the event that ends a stream with such a line */
};

/* The rows of a dialect as a tree. */
struct node {
	struct span key;
	const struct row *row; /* NULL: only a step on the way */
	const struct seal_row *seal;
	const struct node *members, *next;
	const struct node *element;
};
/* Any thread. */
const struct node *table_tree(const struct dialect *d);
/* The member of that name; NULL. Where a key differs from one by case only, *clash
 * is that one (RFC-minded and case-blind parsers would disagree on it). */
const struct node *node_member(
	const struct node *n, struct span key, const struct node **clash);

extern const struct dialect dialect_openai, dialect_anthropic, dialect_rest;

/* Fills *why; returns ERR_SYNTAX. `what` never holds body text. */
__attribute__((format(printf, 5, 6))) int refuse(struct body_refusal *why, int status,
	const char *code, size_t at, const char *what, ...);

/* The readers of the formats. 0, or negative with *why filled. */
int body_json(const struct dialect *d, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why);
int body_form(struct span raw, bool declared, struct arena *a, struct body *out,
	struct body_refusal *why);
/* *out is empty but for what body_read() knows. */
int body_multipart(const struct dialect *d, struct span content_type, struct span raw,
	struct arena *a, struct body *out, struct body_refusal *why);
/* UTF-8 without control characters but those of lines and tabs. */
bool body_is_text(struct span raw);
int body_text(struct span raw, struct arena *a, struct body *out, struct body_refusal *why);

/* A growing array of segments in an arena. */
struct seglist {
	struct arena *a;
	struct segment *v;
	size_t n, room;
};
/* NULL: the arena failed. */
struct segment *seglist_add(struct seglist *l);
/* The piece of a URL or form that begins at raw offset `start`, decoded. 0, ERR_SYNTAX (a
 * broken percent escape), ERR_ENCODING, ERR_NOMEM, ERR_LIMIT (CAP_SEGMENTS). */
int seglist_piece(struct seglist *l, enum seg_role role, enum seg_form form, uint32_t key,
	size_t start, struct span piece);

#endif
