/* Reading a request body: from raw bytes to segments with roles and positions,
 * and to the facts that routing, policy and quota need. No decision is made
 * here; what must be refused is returned as a struct body_refusal. */
#ifndef SCAN_TEXT_BODY_H
#define SCAN_TEXT_BODY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/http.h"
#include "base/span.h"

enum seg_role {
	ROLE_OTHER, /* a string whose meaning the dialect does not know */
	ROLE_SYSTEM,
	ROLE_USER,
	ROLE_ASSISTANT,
	ROLE_TOOL_CALL,
	ROLE_TOOL_RESULT,
	ROLE_TOOL_DEFINITION,
	ROLE_DOCUMENT,
	ROLE_KEY,   /* an object's key, a form field's name, a query parameter's name */
	ROLE_PATH,  /* a path segment */
	ROLE_QUERY, /* a query parameter's value */
	ROLE_COUNT
};
const char *role_name(enum seg_role role); /* "user", "tool_call", … */

/* How the raw bytes spell the text: decides unescaping and re-escaping. */
enum seg_form {
	SEG_JSON,    /* between the quotes of a JSON string or key */
	SEG_NUMBER,  /* a JSON number literal of seven digits or more */
	SEG_TEXT,    /* raw UTF-8 */
	SEG_FORM,    /* application/x-www-form-urlencoded or query: + and %XX */
	SEG_PERCENT, /* a path segment: %XX */
	SEG_TOKENS,  /* a JSON list of ids of tokens: empty until body_decode_ids() */
	SEG_FILE,    /* said by a file of the body: nowhere in the raw bytes, and reserved */
};

#define SEGMENT_NO_KEY UINT32_MAX

/* 32 bytes, since a body may hold a million. */
struct segment {
	enum seg_role role : 8;
	enum seg_form form : 8;
	bool reserved : 1; /* routing or the dialect reads it: a finding here is denied, not
			      rewritten */
	bool escaped : 1;  /* the raw bytes spell the text otherwise than it reads */
	bool opaque : 1;   /* binary data of an opaque part, in base64: text is what is before
			      it */
	bool sealed : 1;  /* the provider's own, sent back: where it is no text, nobody can read
			     it */
	bool counted : 1; /* in a part that is opaque as a whole */
	bool data : 1;	  /* the data of a file, where a part has them */
	bool media : 1;	  /* where the dialect has the data or the address of a file */
	bool unattributed : 1; /* who wrote it is not known: the user, or a tool */
	bool candidate : 1;    /* body_read's own; then, of ids of tokens, they are edited */
	uint32_t key;	       /* index of the segment that names this value (its key, field or
				  parameter), of a key the one that names its object; or
				  SEGMENT_NO_KEY */
	uint32_t start, end;   /* raw bytes, end exclusive */
	struct span text;      /* decoded; a view of the raw bytes where nothing is escaped */
};

/* A bit for each role that it counts as. */
static inline uint16_t
segment_roles(const struct segment *s)
{
	return (uint16_t)(1u << s->role |
			  (s->unattributed ? 1u << ROLE_USER | 1u << ROLE_TOOL_RESULT : 0));
}

/* A part of a body, or a run of one of its texts, that is a file or as good as one. */
struct media {
	struct span kind;  /* "image", "audio", "video", "file" or "unknown" */
	size_t start, end; /* raw bytes: of the part from { to }, else of what holds it */
	uint32_t segment;  /* that has its data; SEGMENT_NO_KEY: none has */
	struct span data;  /* p NULL: nobody knows where they are */
	bool base64;	   /* they are, and may begin with the head of a data URI */
	bool part;	   /* an element of a list of parts: a text may stand in its place */
	bool typed;	   /* and it says its "type" */
	struct span type;  /* what it is declared as: "image/png", "pdf"; else empty */
};

/* What nobody can read in a body or a target. */
struct unread {
	struct media *media; /* what is opaque */
	size_t nmedia, room;
	size_t bytes;  /* of them: of a dialect's parts raw ones, from { to } */
	size_t sealed; /* texts that only the provider can read, which it sealed */
	size_t sealed_bytes;
};

/* Reasoning that the provider signed: sent back whole or not at all. */
struct signed_block {
	size_t start, end;    /* raw bytes, from { to }: an element of a list */
	uint32_t first, last; /* its segments, last exclusive */
	uint32_t turn;	      /* blocks of one turn of the model share a number */
	bool pending; /* the turn is the last, and its tool calls are under way: the provider
			 wants its blocks back */
	bool dropped; /* the gate's */
	bool written_here; /* the gate's: a translation wrote it, so no provider signed it */
	const char *alone; /* stands for it where the list would be empty */
};

enum body_format { BODY_EMPTY, BODY_JSON, BODY_FORM, BODY_TEXT, BODY_MULTIPART, BODY_LINES };

struct table;

/* What a body only refers to: it is not in it, and nobody has read it. */
struct body_ref {
	const char *kind; /* "file", "conversation", … */
	size_t n;
};

struct body {
	const struct table *table; /* it was read by */
	enum body_format format;
	struct segment *segments;
	size_t nsegments;
	size_t inspected_bytes; /* sum of segment text, without what is opaque or sealed */
	/* what the dialect reads; empty or -1 where absent */
	struct span model; /* the first, where a body names several */
	/* those that members name which no row knows: decided for, never rewritten */
	struct span *others;
	size_t nothers;
	/* Anthropic's `thread`: the provider keeps the turn, or goes on from one that it kept */
	enum body_thread { THREAD_NONE, THREAD_CREATE, THREAD_CONTINUE } thread;
	struct span thread_after; /* the message that it goes on from; empty: it says none */
	bool stream;
	bool wants_usage;	   /* the caller itself asked for usage in the stream */
	int64_t output_cap_tokens; /* the LARGEST declared cap; -1: none */
	int64_t choices;	   /* n or best_of; 1 where absent */
	int64_t prompts;	   /* of a list, each answered apart; 0: it is none */
	bool loose;		   /* of lines: one of them is no request of a batch */
	struct unread unread;
	size_t nids, ids_bytes; /* lists of ids of tokens; their bytes, 0 once all are read */
	struct signed_block *reasoning;
	size_t nreasoning;
	struct span *tools; /* names of tools called in the body */
	size_t ntools;
	struct body_param *params; /* scalar members, for request.NAME in conditions: those
				      at top level, and a table's own */
	size_t nparams;
	struct body_ref *refs; /* a kind once */
	size_t nrefs;
	/* raw positions for dialect_ask_usage and dialect_amend; 0: absent */
	struct body_marks {
		size_t top;		     /* after the opening brace of the document */
		size_t options, options_end; /* the value of stream_options */
		bool options_null, options_empty;
		size_t include, include_end; /* the value of its include_usage */
		/* of requests: the document, or those that it holds */
		struct request_mark {
			const struct table *table; /* it was read by */
			size_t top;		   /* after its opening brace */
			bool empty, named, capped; /* it has a model, a cap */
			size_t holder, holder_end; /* the object that holds caps; 0: none */
			bool holder_null, holder_empty;
		} * request;
		size_t nrequests;
		struct model_mark {
			size_t start, end; /* between the quotes of the name */
			struct span name;
			bool null;	    /* the literal */
			enum seg_form form; /* how it is spelled */
		} * model;
		size_t nmodels;
		struct cap_mark {
			size_t start, end;
			int64_t tokens; /* -1: null, or no limit */
			bool null;
			uint32_t request;
		} * cap;
		size_t ncaps;
	} marks;
};

struct body_param {
	struct span name;
	enum { PARAM_STRING, PARAM_NUMBER, PARAM_BOOL, PARAM_NULL } kind;
	struct span text; /* decoded string or the literal */
};

/* Why a body is refused. `unreadable` is the only one a policy may permit. */
struct body_refusal {
	int status;	  /* 400, 413, 415, 403 (unreadable) */
	const char *code; /* "invalid_json", "duplicate_key", "unreadable_content", … */
	char why[160];	  /* never holds body text */
	size_t at;	  /* raw offset, where it makes sense */
	bool unreadable;
};

/* Reads a whole, decoded body. `content_type` is the header's value, empty
 * where absent (two Content-Types are refused before, by the caller). The rules
 * are design rules 1 and 2: strict JSON where the Content-Type says JSON
 * (application/json, text/json, +json), where the table is a JSON one or where
 * the first non-space byte is { or [; form where the Content-Type says form; any
 * other body is tried as JSON, then form, then text. Where none fits it is
 * `unreadable`. What counts as which:
 * - form: name=value pairs with & between, in the printable ASCII that URLs use,
 *   every percent escape whole, UTF-8 when decoded. Declared as form, any byte
 *   may stand for itself and a pair may lack its =.
 * - text: UTF-8 whose control characters are TAB, LF, FF and CR only. NUL, ESC
 *   and the like are signs of UTF-16, ISO 2022 and binary formats, in which
 *   words hide from a scanner.
 * - multipart, where the Content-Type says so and the dialect is no JSON one: its names, file
 *   names and texts, a document in it as one; what is no text is an opaque part (unread).
 *   Where parsers may divide it otherwise: 400.
 * Refused with 400 whatever the format: a charset that is not UTF-8, a byte
 * order mark, a Content-Type that names two types; an empty body where JSON must
 * be. 0, or negative with *why filled. */
int body_read(const struct table *t, struct span content_type, struct span raw, struct arena *a,
	struct body *out, struct body_refusal *why);

/* Reads the lists of ids of tokens by the vocabulary of the body's model, NULL where it is not
 * known exactly. Those that spell no UTF-8, have ids that it has not, or together spell more
 * than CAP_BODY_BYTES stay unread, all counted as one part; if none does, ids_bytes is 0. Once,
 * before `unread` is added to. 0 or ERR_NOMEM. */
struct ranks;
int body_decode_ids(
	struct body *b, struct span raw, const struct ranks *ranks, struct arena *a);

/* Of the key that a value of v is under; empty: it is under none, or a key. */
static inline struct span
segment_key(const struct segment *v, const struct segment *s)
{
	return s->role == ROLE_KEY || s->key == SEGMENT_NO_KEY ? SPAN_LIT("") : v[s->key].text;
}
enum { SEGMENT_NAMES = 64 }; /* bytes of the names of a value */

/* What names the value s of the segments v: its key, field or parameter; before it, of
 * those that the dialect does not know, the keys of the objects around, as far as all
 * of them fit into `room` together: "customer ssn value". A view of the key's text or
 * of room; empty for a key, and where there is none. */
struct span segment_names(
	const struct segment *v, const struct segment *s, char room[SEGMENT_NAMES]);

/* Segments of a request target: path segments, query names and values, decoded.
 * start and end count from the first byte of the path; the query begins after
 * path.n + 1. Refused (400): a path whose normal form differs (dot segments,
 * "//", encoded separators, backslash, NUL and other control characters,
 * %-spelled unreserved characters, bytes that must be %-spelled), a fragment,
 * broken percent escapes, invalid UTF-8. Hexadecimal digits of either case are
 * taken. `left_out` (NULL, or ends with NULL) names parameters whose values are no
 * segments: credentials that no provider sees. With `separators` an escaped
 * slash passes: whether it may stand where it does is endpoint_check_path()'s to say.
 * 0, or negative with *why filled. */
int target_read(const struct http_head *h, const char *const *left_out, bool separators,
	struct arena *a, struct segment **segments, size_t *n, struct unread *unread,
	struct body_refusal *why);

/* Where segments are, for people and records: messages[0].content[1].text; a
 * key's path is its value's. Walks the raw bytes again, once, so ask in rising
 * order. Keys are cut at 64 bytes and written ["…"] where they are not words. */
struct path_reader;
struct path_reader *path_open(struct arena *a, const struct body *b, struct span raw);
/* A view that lives until the next call; empty for plain text. */
struct span path_at(struct path_reader *r, size_t segment);

/* Seven digits or more: shorter numbers are no text. */
bool number_is_long(struct span literal);

/* One edit of raw bytes: [start, end) becomes `with`. */
struct splice {
	size_t start, end;
	struct span with;
};
/* One edit of decoded text. */
struct text_edit {
	size_t from, to;
	struct span with;
};

/* The edits of raw bytes that make these of a segment's text (n > 0, sorted by
 * from, not overlapping), `with` escaped as the segment's form demands. A number
 * becomes a quoted string, all its edits one. `raw` is the body or target the
 * segment was read from. An edit that begins or ends inside a character takes
 * the whole of it. Writes at most n to out, their count to *nout. 0, or ERR_NOMEM,
 * ERR_RANGE (overlap, or beyond the text). */
int segment_splices(const struct segment *s, struct span raw, const struct text_edit *edits,
	size_t n, struct arena *a, struct splice *out, size_t *nout);
/* The edits that take the blocks marked `dropped` out of their lists; at most nreasoning in
 * `out`. Their number. */
size_t body_drop_reasoning(const struct body *b, struct span raw, struct splice *out);
/* Applies edits (sorted by start here, in place; overlapping ones are an
 * ERR_RANGE). Everything outside the edits is byte-identical. A rewritten key
 * may come to equal another: read the result again before it is sent. 0, or
 * ERR_RANGE, ERR_NOMEM. */
int splice_apply(struct span raw, struct splice *edits, size_t n, struct buf *out);

#endif
