/* Reads a request body or target: raw bytes become segments with roles and positions, and the
 * facts that routing, policy and quota need. This module decides nothing: a body that must be
 * refused is returned as a struct body_refusal. All memory is in the caller's arena; segments
 * borrow from the raw bytes. One request is read by one thread at a time. */
#ifndef SCAN_TEXT_BODY_H
#define SCAN_TEXT_BODY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/http.h"
#include "base/span.h"

/* The part that a segment's text has in a request. Policies name roles. */
enum seg_role {
	ROLE_OTHER, /* a string whose meaning the dialect does not know */
	ROLE_SYSTEM,
	ROLE_USER,
	ROLE_ASSISTANT,
	ROLE_TOOL_CALL,
	ROLE_TOOL_RESULT,
	ROLE_TOOL_DEFINITION,
	ROLE_DOCUMENT,
	ROLE_KEY,   /* an object's key, a form field's name or a query parameter's name */
	ROLE_PATH,  /* a path segment */
	ROLE_QUERY, /* a query parameter's value */
	ROLE_COUNT
};
/* Returns the role's name as policies write it: "user", "tool_call", … */
const char *role_name(enum seg_role role);

/* How the raw bytes spell the text. The form decides how text is unescaped and escaped again. */
enum seg_form {
	SEG_JSON,    /* between the quotes of a JSON string or key */
	SEG_NUMBER,  /* a JSON number literal of seven digits or more */
	SEG_TEXT,    /* raw UTF-8 */
	SEG_FORM,    /* application/x-www-form-urlencoded or a query: + and %XX */
	SEG_PERCENT, /* a path segment: %XX */
	SEG_TOKENS,  /* a JSON list of token ids; the text is empty until body_decode_ids() */
	SEG_FILE,    /* text extracted from a file in the body; it has no place in the raw bytes
		      * and is reserved */
};

#define SEGMENT_NO_KEY UINT32_MAX

/* One text of a body or target. The struct has 32 bytes because a body may hold a million
 * segments. The arrays are in the request's arena and hold at most CAP_SEGMENTS. */
struct segment {
	enum seg_role role : 8;
	enum seg_form form : 8;
	bool reserved : 1; /* routing or the dialect reads this text: a finding here is denied,
			    * not rewritten */
	bool escaped : 1;  /* the raw bytes differ from the decoded text because they contain
			    * escapes */
	bool opaque : 1;   /* the base64 data of an opaque part was cut off; `text` is only what
			    * precedes the data */
	bool sealed : 1;  /* the provider made this text and the client sends it back; if it is
			   * not readable, nobody but the provider can read it */
	bool random : 1;  /* sealed, and sealed_reads() holds (scan/text/sealed.h) */
	bool counted : 1; /* belongs to a part that is already counted as a whole */
	bool data : 1;	  /* holds the data of a file, if the part has any */
	bool spoken : 1;  /* a transcript: words for digits and signs are no evasion there */
	bool media : 1;	  /* the dialect has the data or the address of a file at this place */
	bool unattributed : 1; /* the author is unknown: it may be the user or a tool */
	/* a name, id or word of the protocol, which providers compare byte for byte: it is never
	 * edited, its key is no context, and only patterns are searched for in it */
	bool identifier : 1;
	bool property : 1; /* a key: the name of a property in a schema */
	bool schema : 1;   /* the text is a JSON Schema */
	bool candidate : 1;    /* used by body_read() only; afterwards, for token ids: the list
				* was edited */
	uint32_t key;	       /* For a value: index of the segment that names it (its key, field
				* or parameter). For a key: index of the key that names its
				* object. SEGMENT_NO_KEY: none. */
	uint32_t start, end;   /* offsets in the raw bytes, end exclusive */
	struct span text;      /* decoded text; a view of the raw bytes if nothing is escaped */
};

/* Returns a bit for each role that the segment counts as (1 << role). A segment of unknown
 * author counts as user text and as a tool result too. */
static inline uint16_t
segment_roles(const struct segment *s)
{
	return (uint16_t)(1u << s->role |
			  (s->unattributed ? 1u << ROLE_USER | 1u << ROLE_TOOL_RESULT : 0));
}

/* A part of a body, or a run in one of its texts, that is a file or file-like content. Media are
 * stored in the list of uninspected content, in the request's arena. */
struct media {
	struct span kind;  /* "image", "audio", "video", "file" or "unknown" */
	size_t start, end; /* offsets in the raw bytes, end exclusive: the part from { to }, or
			    * the string that holds the data */
	uint32_t segment;  /* index of the segment that has the data; SEGMENT_NO_KEY: none */
	struct span data;  /* the file's data; p NULL: their place is unknown */
	bool base64;	   /* the data are base64, perhaps after the head of a data URI */
	bool part;	   /* an element of a list of parts, so a text part can replace it */
	bool typed;	   /* a part with a "type" member */
	struct span type;  /* the declared type: "image/png", "pdf"; empty: not declared */
};

/* The content of a body or target that was not inspected. */
struct unread {
	struct media *media; /* the uninspected parts, in the request's arena */
	size_t nmedia, room;
	size_t bytes;  /* sum of their sizes; a dialect's part counts its raw bytes from { to } */
	size_t sealed; /* number of texts that the provider sealed, so only the provider can read
			* them */
	size_t sealed_bytes; /* sum of the sizes of sealed texts */
};

/* A block of reasoning that the provider signed. It can be sent back whole or left out, but not
 * changed. */
struct signed_block {
	size_t start, end;    /* offsets in the raw bytes, from { to }; the block is an element
			       * of a list */
	uint32_t first, last; /* indices of its segments, last exclusive */
	uint32_t turn;	      /* blocks of the same turn of the model have the same number */
	bool pending; /* the turn is the last one and its tool calls are still open, so the
		       * provider requires its blocks */
	bool dropped; /* set by the gateway: leave the block out */
	bool written_here; /* set by the gateway: a translation wrote the block, so no provider
			    * signed it */
	const char *alone; /* JSON that takes the block's place if the list would become empty;
			    * NULL: nothing */
};

/* A run: the texts of one message, in order, which a model may read as one text. It has two
 * parts or more. A signed block, a tool call and a text that the dialect reads end a run; an image
 * or a file between two texts does not. */
struct text_run {
	uint32_t first, last; /* indices in body.parts */
	uint32_t n;
};
struct run_part {
	uint32_t segment; /* index of the segment */
	uint32_t next;	  /* index of the run's next part; meaningless in the last one */
};

enum body_format { BODY_EMPTY, BODY_JSON, BODY_FORM, BODY_TEXT, BODY_MULTIPART, BODY_LINES };

struct table;

/* A kind of reference from the body to content elsewhere. The content is not in the body and was
 * not inspected. */
struct body_ref {
	const char *kind; /* "file", "conversation", …; a constant */
	size_t n;	  /* number of such references */
};

/* A body as it was read. The caller provides the struct; all that it points to is in the
 * request's arena or in the raw bytes, and lives as long as both. */
struct body {
	const struct table *table; /* the table that the body was read by */
	enum body_format format;
	struct segment *segments;
	size_t nsegments;
	size_t inspected_bytes; /* sum of the segments' text, without opaque and sealed content */
	/* Values that the dialect reads. An absent string is empty, an absent number is -1. */
	struct span model; /* the first model, if a body names several */
	/* Models named by members that no row knows. They are decided on, but never rewritten.
	 * At most CAP_MODELS + 1. */
	struct span *others;
	size_t nothers;
	/* Anthropic's `thread`: the provider stores the turn, or continues from one that it
	 * stored. */
	enum body_thread { THREAD_NONE, THREAD_CREATE, THREAD_CONTINUE } thread;
	struct span thread_after; /* id of the message that the thread continues from; empty: not
				   * given */
	bool stream;
	bool wants_usage;	   /* the caller asked for usage in the stream */
	int64_t output_cap_tokens; /* the largest output cap that the body declares; -1: none */
	int64_t choices;	   /* n or best_of, whichever is larger; 1: absent */
	int64_t prompts;	   /* number of prompts in a list, each with its own response; 0:
				    * the prompt is no list */
	bool loose;		   /* a body of lines in which at least one line is no request of
				    * a batch */
	struct unread unread;
	/* nids: number of lists of token ids; ids_bytes: their size in the body, 0 after all
	 * lists have been decoded */
	size_t nids, ids_bytes;
	struct signed_block *reasoning;
	size_t nreasoning;
	struct text_run *runs;
	size_t nruns;
	struct run_part *parts; /* of all runs; the parts of one run are linked */
	size_t nparts;
	struct span *tools; /* names of the tools that are called in the body */
	size_t ntools;
	/* Names of the properties in the body's schemas, by hash: room for `properties_room`, a
	 * power of two; p NULL: free. NULL: there is no schema. */
	struct span *properties;
	size_t properties_room;
	struct body_param *params; /* scalar members for `request.NAME` in conditions: the
				    * members at top level, and those that the table lists */
	size_t nparams;
	struct body_ref *refs; /* kinds of references in the body, each once */
	size_t nrefs;
	/* Places in the raw bytes for dialect_ask_usage() and dialect_amend(); 0: absent. */
	struct body_marks {
		size_t top;		     /* after the opening brace of the document */
		size_t options, options_end; /* the value of stream_options */
		bool options_null, options_empty;
		size_t include, include_end; /* the value of its member include_usage */
		/* The requests in the body: the document itself, or each request of a batch. */
		struct request_mark {
			const struct table *table; /* the table that the request was read by */
			size_t top;		   /* after the request's opening brace */
			bool empty, named, capped; /* the object has no members; it names a
						    * model; it has an output cap */
			size_t holder, holder_end; /* the object that holds caps; 0: none */
			bool holder_null, holder_empty;
		} * request;
		size_t nrequests;
		struct model_mark {
			size_t start, end; /* between the quotes of the model's name */
			struct span name;
			bool null;	    /* the value is the literal null */
			enum seg_form form; /* how the name is spelled */
		} * model;
		size_t nmodels;
		struct cap_mark {
			size_t start, end;
			int64_t tokens; /* the cap; -1: null, or unlimited */
			bool null;
			uint32_t request; /* index in `request` above */
		} * cap;
		size_t ncaps;
	} marks;
};

/* Returns the key whose value `s` is, or the key above it if `s` is a key; NULL: there is none.
 */
static inline const struct segment *
body_key_of(const struct body *b, const struct segment *s)
{
	return s && s->key < b->nsegments ? &b->segments[s->key] : NULL;
}

struct body_param {
	struct span name;
	enum { PARAM_STRING, PARAM_NUMBER, PARAM_BOOL, PARAM_NULL } kind;
	struct span text; /* the decoded string, or the literal */
};

/* Why a body is refused. A policy may permit only bodies with `unreadable`. */
struct body_refusal {
	int status;	  /* HTTP status: 400, 413, 415, or 403 (unreadable); 0: not refused */
	const char *code; /* error code: "invalid_json", "duplicate_key", "unreadable_content", … */
	char why[160];	  /* message for the caller; never contains text of the body */
	size_t at;	  /* offset in the raw bytes, if the error has a place */
	bool unreadable;
};

/* Reads a whole body whose Content-Encoding was removed. `content_type` is the header's value,
 * or empty if absent. The caller refuses two Content-Type headers before.
 *
 * How the format is chosen:
 * - JSON (strict) if the Content-Type is a JSON type (application/json, text/json, +json), if
 *   the table is a JSON table, or if the first byte that is no space is { or [.
 * - form if the Content-Type is a form.
 * - multipart if the Content-Type is multipart and the table is no JSON table. Names, file names
 *   and texts are read, and a JSON document in a part is read as one. A part that is no text is
 *   opaque. If parsers could divide the body differently, the result is 400.
 * - any other body is tried as JSON, then as a form, then as text. If none fits, the body is
 *   `unreadable`.
 *
 * Bytes that the formats accept:
 * - form: name=value pairs with & between them, in the printable ASCII of URLs, with complete
 *   percent escapes that decode to UTF-8. If the Content-Type declares a form, any byte may
 *   appear unescaped and a pair may lack its =.
 * - text: UTF-8 without control characters other than TAB, LF, FF and CR. NUL, ESC and the like
 *   are signs of UTF-16, ISO 2022 and binary formats, which can hide words from a scanner.
 *
 * In every format the body is refused with 400 if it has a charset other than UTF-8, begins with
 * a byte order mark, has a Content-Type that names two types, or is empty where JSON is
 * required.
 * Returns 0, or a negative error with *why filled in. */
int body_read(const struct table *t, struct span content_type, struct span raw, struct arena *a,
	struct body *out, struct body_refusal *why);

/* Decodes the lists of token ids with the vocabulary of the body's model. `ranks` is NULL if the
 * vocabulary is not known exactly. A list stays uninspected if it does not spell UTF-8, has
 * unknown ids, or exceeds CAP_BODY_BYTES together with the lists before it; all such lists count
 * as one part. If no list stays uninspected, ids_bytes becomes 0. Call once, before anything is
 * added to `unread`. Returns 0 or ERR_NOMEM. */
struct ranks;
int body_decode_ids(
	struct body *b, struct span raw, const struct ranks *ranks, struct arena *a);

/* Returns the text of the key that names the value s. The span is empty if no key names the
 * segment, or if s is a key itself. */
static inline struct span
segment_key(const struct segment *v, const struct segment *s)
{
	return s->role == ROLE_KEY || s->key == SEGMENT_NO_KEY ? SPAN_LIT("") : v[s->key].text;
}
enum { SEGMENT_NAMES = 64 }; /* room for the names of a value, in bytes */

/* Returns what names the value s of the segments v: its key, field or parameter, preceded by the
 * keys of the objects around it. Keys that the dialect knows end the walk outwards, and only as
 * many keys are used as fit into `room` together. Example: "customer ssn value". The span is a
 * view of the key's text or of `room`; it is empty for a key and for a value without one. */
struct span segment_names(
	const struct segment *v, const struct segment *s, char room[SEGMENT_NAMES]);
enum { SEGMENT_PATH = 160 }; /* room for the path of a value, in bytes */
/* Writes the keys around the value s for a message to the caller, the outermost first:
 * "messages.extra_content.*.thought_signature". A key that the dialect does not know is *. If the
 * path does not fit into `room`, its beginning is left out. Returns a view of `room`. */
const char *segment_path(
	const struct segment *v, const struct segment *s, char room[SEGMENT_PATH]);

/* Reads the segments of a request target: path segments, query names and query values, decoded.
 * Their offsets count from the first byte of the path; the query begins at path.n + 1.
 *
 * Refused with 400: a path whose normal form differs (dot segments, "//", encoded separators,
 * backslash, NUL and other control characters, percent escapes of unreserved characters, bytes
 * that must be escaped), a fragment, incomplete percent escapes, invalid UTF-8. Hexadecimal
 * digits of either case are accepted.
 * `left_out` lists parameters whose values are not read: credentials that no provider sees. The
 * list is NULL or ends with NULL. With `separators`, an escaped slash is accepted;
 * endpoint_check_path() decides whether it is allowed at its place.
 * Returns 0, or a negative error with *why filled in. */
int target_read(const struct http_head *h, const char *const *left_out, bool separators,
	struct arena *a, struct segment **segments, size_t *n, struct unread *unread,
	struct body_refusal *why);

/* Returns the paths of segments, for people and records: messages[0].content[1].text. A key has
 * the path of its value. The reader walks the raw bytes once more, so ask for segments in
 * ascending order. Keys are cut at 64 bytes and written as ["…"] if they are not plain words.
 * The reader is in the arena; path_open() returns NULL if the memory is exhausted. */
struct path_reader;
struct path_reader *path_open(struct arena *a, const struct body *b, struct span raw);
/* Returns a view that is valid until the next call; empty for plain text. */
struct span path_at(struct path_reader *r, size_t segment);

/* Returns true if the number has at least seven digits. Shorter numbers are not segments. */
bool number_is_long(struct span literal);
/* Returns the literal as text to scan:
 * - A plain integer is returned as it is.
 * - An integer in another spelling (41.11e2, 4111.0) becomes its digits, as the receiver's parser
 *   would read it.
 * - If the digits could be read in several ways, all readings follow the literal, separated by
 *   " or ". One is the integer part, with and without the exponent. With `fractions`, the digits
 *   without the point, the digits after it, and both without trailing zeros are readings too.
 *
 * *fraction is set if the result contains readings of a fraction. p is NULL if memory is
 * exhausted. Example with `fractions`: 0.4111111111111111 becomes
 * "0.4111111111111111 or 4111111111111111". */
struct span number_text(struct span literal, bool fractions, struct arena *a, bool *fraction);

/* One edit of raw bytes: `with` replaces [start, end). */
struct splice {
	size_t start, end;
	struct span with;
};
/* One edit of decoded text: `with` replaces [from, to). */
struct text_edit {
	size_t from, to;
	struct span with;
};

/* Converts edits of a segment's decoded text into edits of raw bytes. The n > 0 edits are sorted
 * by `from` and do not overlap. Each `with` is escaped as the segment's form requires. All edits
 * of a number become one, which turns the number into a quoted string. `raw` is the body or
 * target that the segment was read from. An edit that begins or ends inside a character is
 * extended to the whole character. Writes at most n edits to `out` and their number to *nout.
 * Returns 0, ERR_NOMEM, or ERR_RANGE if edits overlap or exceed the text. */
int segment_splices(const struct segment *s, struct span raw, const struct text_edit *edits,
	size_t n, struct arena *a, struct splice *out, size_t *nout);
/* Writes the edits that remove the blocks marked `dropped` from their lists; `out` has room for
 * nreasoning edits. Returns their number. */
size_t body_drop_reasoning(const struct body *b, struct span raw, struct splice *out);
/* Applies edits of raw bytes and appends the result to `out`. Sorts the edits by start in place.
 * All bytes outside the edits stay identical. A rewritten key may become equal to another key,
 * so read the result again before it is sent. Returns 0, ERR_NOMEM, or ERR_RANGE if edits
 * overlap or exceed `raw`. */
int splice_apply(struct span raw, struct splice *edits, size_t n, struct buf *out);

#endif
