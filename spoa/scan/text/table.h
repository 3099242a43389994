/* By what a body is read: rows that give the strings of a wire format their roles and say
 * which members mean something. The tables are in dialect/, their readers here. */
#ifndef SCAN_TEXT_TABLE_H
#define SCAN_TEXT_TABLE_H

#include "scan/text/body.h"

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
	F_ONE = 8,	/* a list, or its one element in its place */
	F_SIGNED = 16,	/* a count that may be negative: no limit */
	F_ZERO = 32,	/* nor is a count of 0 */
	F_ANYONE = 128, /* a text here, or below, is of nobody knows whom */
	F_NAMES = 256,	/* its strings name models, whatever it is called */
	F_NONE = 64,	/* nothing here or below names a model, unless a row reads one */
};
#define F_DATA (F_DEEP | F_NONE) /* a caller's own: arguments, results, metadata */

/* What the value is read for, besides its text. */
enum row_read {
	READ_NOTHING,
	READ_MODEL,
	READ_STREAM,
	READ_OPTIONS,
	READ_INCLUDE_USAGE,
	READ_CAP,
	READ_CAP_HOLDER, /* the object that the cap is a member of */
	READ_CHOICES,
	READ_REQUEST, /* an object that is a request of its own, of many in a body */
	READ_MESSAGE, /* an object whose "role" gives ROLE_BY_MESSAGE below it its meaning */
	READ_ROLE,
	READ_PART, /* an object whose "type" or key says whether it can be read */
	READ_SOURCE_TYPE,
	READ_SOURCE_TEXT, /* what stands here makes the part readable */
	READ_IMAGE,	  /* an image where long base64 is no text */
	READ_ITEM_TYPE,	  /* "type" of an item of a conversation: says who wrote it */
	READ_TOKENS,	  /* numbers here are a text that nobody reads */
	READ_IDS,	  /* likewise, unless the model's vocabulary is known */
	READ_PROMPT,	  /* likewise; else each is answered apart */
	READ_TOOL,
	READ_THREAD,	   /* what is asked of a thread */
	READ_THREAD_AFTER, /* the message that it goes on from */
};

/* Is in segments until the message that holds them has ended. */
#define ROLE_BY_MESSAGE ROLE_COUNT

/* One row: a path, "a.b" for members and "[*]" for elements, "*" for any member. Keys
 * that a row names are those the dialect reads. */
struct row {
	const char *path;
	unsigned types;
	enum seg_role role;
	unsigned flags;
	enum row_read read;
};

/* clang-format off */
/* The rows that tables have many of: a caller's own data, whatever it is; anything, read to the
 * bottom; a text, or null; one that must be there; base64; what the dialect reads. */
#define ROW_DATA(path, role)   { path, T_ANY, role, F_DATA, 0 }
#define ROW_DEEP(path, role)   { path, T_ANY, role, F_DEEP, 0 }
#define ROW_TEXT(path, role)   { path, T_STRING | T_NULL, role, 0, 0 }
#define ROW_STRING(path, role) { path, T_STRING, role, 0, 0 }
#define ROW_OPAQUE(path, role) { path, T_STRING, role, F_OPAQUE, 0 }
#define ROW_WORD(path, role)   { path, T_STRING, role, F_RESERVED, 0 }
#define ROW_NAMES(path)        { path, T_ANY, ROLE_OTHER, F_NAMES, 0 }
#define ROW_MODEL(path)        { path, T_STRING | T_NULL, ROLE_OTHER, F_RESERVED, READ_MODEL }
#define ROW_STREAM(path)       { path, T_BOOL | T_NULL, ROLE_OTHER, F_RESERVED, READ_STREAM }
#define ROW_CAP(path)          { path, T_NUMBER | T_NULL, ROLE_OTHER, F_RESERVED, READ_CAP }
#define ROW_CHOICES(path)      { path, T_NUMBER | T_NULL, ROLE_OTHER, F_RESERVED, READ_CHOICES }
#define ROW_ROLE(path)         { path, T_STRING, ROLE_OTHER, F_RESERVED, READ_ROLE }
#define ROW_TOOL(path)         { path, T_STRING, ROLE_TOOL_CALL, F_RESERVED, READ_TOOL }
/* clang-format on */

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
	const char *const *types; /* or the keys that only such parts have; NULL last */
	const char *kind;
	bool by_source; /* opaque unless its source's type is "text" or "content"; where that
			   is a media type it names the kind */
};

#define PART_TYPES(...)                                                                        \
	(const char *const[])                                                                  \
	{                                                                                      \
		__VA_ARGS__, NULL                                                              \
	}

/* A scalar parameter that is no top-level member, and its name in conditions. */
struct param_row {
	const char *path, *name;
};

/* A string by which a body refers to what is not in it. */
struct ref_row {
	const char *path, *kind;
};

/* How a request body reads. */
struct table {
	bool json;	 /* it must be one JSON object */
	bool lenient;	 /* a value of another type than its row's is as if there were no row:
			    for paths that nobody knows */
	bool no_models;	 /* no member is a model because of its name */
	bool pieces;	 /* a file may come in several bodies: no line may be cut */
	bool batch;	 /* its requests are inside (READ_REQUEST) */
	bool snake;	 /* proto JSON: "max_tokens" is "maxTokens" */
	bool streams;	 /* unless "stream" says no */
	bool asks_usage; /* a stream reports usage only where asked (stream_options) */
	enum seg_role speaker;	/* of a message without a role */
	const char *model;	/* the member that names it, where a body has none; NULL: not
				   in bodies */
	const char *cap;	/* the path that caps the output, likewise, at most one dot; "":
				   nobody knows its name */
	const struct row *rows; /* path NULL last, as are all lists below */
	const struct part_row *parts; /* by "type" */
	const struct part_row *keyed; /* by the keys of a part without one */
	const struct seal_row *seals;
	const struct param_row *params;
	const struct ref_row *refs;
	/* JSON lines: by which table one is read, given its "url" ("" for none); NULL: table */
	const struct table *(*line)(struct span url);
	const char *text_type;	   /* "type" of a part that is a text; NULL: "text" */
	const struct table *inner; /* of the requests of a batch; NULL: the rows' */
	struct tree *tree;	   /* table_tree()'s own */
};

/* The rows of a table as a tree. */
struct node {
	struct span key, snake; /* snake: its other spelling */
	unsigned bit;		/* among its siblings */
	const struct row *row;	/* NULL: only a step on the way */
	const struct seal_row *seal;
	const char *param, *ref;
	const struct node *members, *next;
	const struct node *element, *any; /* any: of a member that no row names */
};
struct tree {
	const struct node *_Atomic root;
};
/* Any thread. NULL: no memory. */
const struct node *table_tree(const struct table *t);
/* The member of that name; NULL. Where a key differs from one by case only, *clash
 * is that one (RFC-minded and case-blind parsers would disagree on it). */
const struct node *node_member(
	const struct node *n, struct span key, const struct node **clash);

/* Fills *why; returns ERR_SYNTAX. `what` never holds body text. */
__attribute__((format(printf, 5, 6))) int refuse(struct body_refusal *why, int status,
	const char *code, size_t at, const char *what, ...);

/* The same of a path that another server would read as another one. */
int refuse_path(struct body_refusal *why, size_t at, const char *what);

/* The same of what needs more room than there is: 413. Returns ERR_NOMEM. */
int refuse_room(struct body_refusal *why, const char *what);

/* The readers of the formats. 0, or negative with *why filled. */
int body_json(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why);
/* *out is empty but for what body_read() knows. */
int body_multipart(const struct table *t, struct span content_type, struct span raw,
	struct arena *a, struct body *out, struct body_refusal *why);
/* JSON lines: documents with line feeds between, read by t->line. */
int body_lines(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why);

/* A growing array of segments in an arena. */
/* A body of which nothing is read. */
void body_begin(struct body *out, const struct table *t, enum body_format format);

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

/* Adds what was read of a part of the body, which begins at `base`: its segments, marks, unread
 * parts, references. Its keys that have none go below `key`. 0 or ERR_NOMEM, ERR_LIMIT. */
/* Adds to those of b of its kind; *room as of ARENA_PUSH. 0 or ERR_NOMEM. */
int ref_add(struct body *b, size_t *room, const struct body_ref *r, struct arena *a);

struct merge {
	struct arena *a;
	struct body *out;
	struct seglist *segs;
	size_t params_room, refs_room, models_room, caps_room, requests_room;
};
int merge_add(struct merge *m, const struct body *sub, size_t base, uint32_t key);
int merge_param(struct merge *m, const struct body_param *p);
int merge_model(struct merge *m, const struct model_mark *mark);

#endif
