/* Tables that describe how a body is read: rows give the strings of a wire format their roles
 * and list the members that have a meaning. The tables are in dialect/; the code that reads by
 * them is in this folder. Tables are constant and live as long as the process; any thread may
 * use them. */
#ifndef SCAN_TEXT_TABLE_H
#define SCAN_TEXT_TABLE_H

#include "scan/text/body.h"
#include "scan/text/identifier.h"

/* The JSON types that a row allows at its path. The body is refused if the value has another
 * type. */
enum {
	T_STRING = 1,
	T_NUMBER = 2, /* if the row is read as a count: an integer of zero or more, without sign,
		       * fraction or exponent */
	T_BOOL = 4,
	T_NULL = 8,
	T_OBJECT = 16,
	T_ARRAY = 32,
	T_ANY = 63,
};

/* Flags of a row. */
enum {
	/* routing or the dialect reads the value, which is an identifier: a finding is denied,
	 * not rewritten */
	F_RESERVED = 1,
	/* all strings inside the value have this role too, unless another row gives them a
	 * role */
	F_DEEP = 2,
	F_OPAQUE = 4,	/* long base64 here, in a part of an opaque type, is not scanned as text */
	F_ONE = 8,	/* a list, or a single element in its place */
	F_SIGNED = 16,	/* the count may be negative, which means unlimited */
	F_ZERO = 32,	/* a count of 0 means unlimited too */
	F_ANYONE = 128, /* the author of the texts in the value is unknown */
	F_NAMES = 256,	/* the strings of the value name models, whatever the member is called */
	/* no string in the value names a model, unless a row reads it as a model */
	F_NONE = 64,
};
#define F_DATA (F_DEEP | F_NONE) /* data of the caller's own: arguments, results, metadata */

/* The purpose that a value is read for, besides its text. */
enum row_read {
	READ_NOTHING,
	READ_MODEL,
	READ_STREAM,
	READ_OPTIONS,
	READ_INCLUDE_USAGE,
	READ_CAP,
	READ_CAP_HOLDER, /* the object that holds the cap */
	READ_CHOICES,
	READ_REQUEST, /* an object that is a request of its own, one of many in a body */
	READ_MESSAGE, /* an object whose "role" decides what ROLE_BY_MESSAGE below it means */
	READ_ROLE,
	READ_PART, /* an object whose "type" or keys decide whether it can be inspected */
	READ_SOURCE_TYPE,
	READ_SOURCE_TEXT, /* a value here means that the part can be inspected */
	READ_IMAGE,	  /* an image, if the value is long base64 that is no text */
	READ_ITEM_TYPE,	  /* the "type" of an item of a conversation, which shows who wrote it */
	READ_TOKENS,	  /* the numbers are token ids that the gateway cannot inspect */
	/* as READ_TOKENS, but the ids are inspected if the model's vocabulary is known */
	READ_IDS,
	/* as READ_IDS; in addition, each element that is not a number gets a response of its
	 * own */
	READ_PROMPT,
	READ_TOOL,
	READ_THREAD,	   /* the operation on a thread: create or continue */
	READ_THREAD_AFTER, /* the message that the thread continues from */
};

/* A segment has this role until the message that holds it ends. */
#define ROLE_BY_MESSAGE ROLE_COUNT

/* One row. A path has "a.b" for members, "[*]" for elements and "*" for any member. The dialect
 * reads only keys that a row names. */
struct row {
	const char *path;
	unsigned types;
	enum seg_role role;
	unsigned flags;
	enum row_read read;
};

/* clang-format off */
/* Shorthands for frequent rows. In order: the caller's own data, of any type; any data, read to the
 * bottom; a text or null; a required text; base64; a word that the dialect reads; names of
 * models; and the fields that most dialects have. */
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

/* A string that the provider sealed and clients send back. It is accepted uninspected if it is
 * no text. */
struct seal_row {
	const char *path;
	const char *of; /* the "type" of the object that holds the string; NULL: any */
	/* If the string signs a block of reasoning: how many objects further out the block is,
	 * where 1 is the object that holds the string. 0: the string signs nothing. */
	unsigned signs;
	const char *alone; /* JSON that replaces the block if its list would become empty;
			    * NULL: nothing */
};
/* For providers that refuse an empty list of content. */
#define ALONE_BLOCK "{\"type\":\"text\",\"text\":\"<REASONING>\"}"
#define ALONE_TEXT  "{\"text\":\"<REASONING>\"}"

/* Types of content parts. `kind` is NULL if the text of the part is its whole content. */
struct part_row {
	const char *const *types; /* values of "type", or keys that only such parts have; NULL
				   * ends the list */
	const char *kind;
	bool by_source; /* opaque unless the "type" of its source is "text" or "content"; if the
			 * source's type is a media type, it decides the kind */
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

/* A string by which a body refers to content elsewhere. */
struct ref_row {
	const char *path, *kind;
};

/* An identifier: a name, id or word that a provider compares byte for byte. Besides the members
 * listed here, values with F_RESERVED and keys that a row or list names are identifiers. */
struct name_row {
	const char *path;
	enum name_kind kind;
};

/* clang-format off */
#define WORD(path)   { path, NAME_WORD }
#define SCHEMA(path) { path, NAME_SCHEMA }
/* clang-format on */

/* How a request body is read. */
struct table {
	bool json;	 /* the body must be one JSON object */
	bool lenient;	 /* a value of another type than its row allows is read as if there were
			  * no row; for paths that the gateway does not know */
	bool no_models;	 /* no member names a model because of its key */
	bool pieces;	 /* a file may arrive in several bodies: each body must hold whole lines */
	bool batch;	 /* its requests are inside it (READ_REQUEST) */
	bool snake;	 /* protobuf JSON: "max_tokens" and "maxTokens" are the same member */
	bool streams;	 /* responses are streams unless "stream" is false */
	bool asks_usage; /* a stream reports usage only if the request asks (stream_options) */
	enum seg_role speaker;	/* role of a message without "role" */
	const char *model;	/* the member to add if a body names no model; NULL: bodies of
				 * this dialect name none */
	const char *cap;	/* the path of the output cap to add, with at most one dot; NULL:
				 * none; "": unknown */
	const struct row *rows; /* rows; path NULL ends this list and all lists below */
	const struct part_row *parts; /* parts by their "type" */
	const struct part_row *keyed; /* parts without "type", by their keys */
	const struct seal_row *seals;
	const struct name_row *names;
	const struct param_row *params;
	const struct ref_row *refs;
	/* For JSON lines: returns the table for a line, given its "url" ("" if it has none).
	 * NULL: this table. */
	const struct table *(*line)(struct span url);
	const char *text_type;	   /* "type" of a part that holds text; NULL: "text" */
	const struct table *inner; /* table of the requests in a batch; NULL: this table's rows */
	struct tree *tree;	   /* private to table_tree(): the rows as a tree */
};

/* The rows of a table as a tree. Built once per table and never freed. */
struct node {
	struct span key, snake; /* the member's name, and its other spelling (snake case);
				 * snake.p NULL: none */
	unsigned bit;		/* number among its siblings, below 64 */
	const struct row *row;	/* NULL: only a step on the way to other rows */
	const struct seal_row *seal;
	enum name_kind name;
	const char *param, *ref;
	const struct node *members, *next;
	const struct node *element, *any; /* the element of a list; any: a member that no row
					   * names */
};
struct tree {
	const struct node *_Atomic root;
};
/* Returns the tree, building it at the first call. Any thread. NULL: memory is exhausted. */
const struct node *table_tree(const struct table *t);
/* Returns the member named `key`, or `any`, or NULL. If the key differs from a member's name
 * only by case, the result is NULL and *clash is that member: strict and case-insensitive
 * parsers would disagree on it. */
const struct node *node_member(
	const struct node *n, struct span key, const struct node **clash);

/* Fills in *why and returns ERR_SYNTAX. `what` must never contain text of the body. */
__attribute__((format(printf, 5, 6))) int refuse(struct body_refusal *why, int status,
	const char *code, size_t at, const char *what, ...);

/* The same for a path that another server would read as a different path. */
int refuse_path(struct body_refusal *why, size_t at, const char *what);

/* The same if reading needs more memory than allowed: status 413. Returns ERR_NOMEM. */
int refuse_room(struct body_refusal *why, const char *what);

/* Readers of the formats. Each returns 0, or a negative error with *why filled in. */
int body_json(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why);
/* *out must be as body_begin() leaves it. */
int body_multipart(const struct table *t, struct span content_type, struct span raw,
	struct arena *a, struct body *out, struct body_refusal *why);
/* JSON lines: documents separated by line feeds, each read by t->line. */
int body_lines(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why);

/* Initializes *out as a body of which nothing was read yet. */
void body_begin(struct body *out, const struct table *t, enum body_format format);

/* A growing array of segments in an arena. Readers check CAP_SEGMENTS before they add to it. */
struct seglist {
	struct arena *a;
	struct segment *v;
	size_t n, room;
};
/* Returns a new segment at the end, uninitialized, or NULL if the arena failed. */
struct segment *seglist_add(struct seglist *l);
/* Adds a piece of a URL or form, decoded; the piece begins at raw offset `start`. Returns 0,
 * ERR_SYNTAX (an incomplete percent escape), ERR_ENCODING, ERR_NOMEM, or ERR_LIMIT
 * (CAP_SEGMENTS). */
int seglist_piece(struct seglist *l, enum seg_role role, enum seg_form form, uint32_t key,
	size_t start, struct span piece);

/* Adds a reference, or its count to the reference of the same kind. *room as for ARENA_PUSH.
 * Returns 0 or ERR_NOMEM. */
int ref_add(struct body *b, size_t *room, const struct body_ref *r, struct arena *a);

/* Builds the runs of a body. */
struct run_rooms { /* of body.runs and body.parts, as for ARENA_PUSH */
	size_t runs, parts;
};
struct run_open { /* the run that a list of parts builds; all zero: no part yet */
	uint32_t alone; /* index + 1 of the segment of the first part, while it is the only one */
	uint32_t run;	/* index + 1 of the run, once it has two parts */
};
/* Adds a part to the run. A single part costs no memory. Returns 0 or ERR_NOMEM. */
int run_join(struct body *b, struct run_rooms *rooms, struct run_open *o, size_t segment,
	struct arena *a);
/* Makes a run of the values of each name that occurs several times in a form. Returns 0 or
 * ERR_NOMEM. */
int runs_of_fields(struct body *b, struct run_rooms *rooms, struct arena *a);

/* The state of merging several documents into one body. The rooms belong to the arrays of `out`. */
struct merge {
	struct arena *a;
	struct body *out;
	struct seglist *segs;
	size_t params_room, refs_room, models_room, caps_room, requests_room;
	struct run_rooms runs_room;
};
/* Adds a model that the body names. Returns 0 or ERR_NOMEM. */
int merge_model(struct merge *m, const struct model_mark *mark);

#endif
