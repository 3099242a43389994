/* Formats of responses: tables that describe the strings of a response, or of one event of a
 * stream.
 *
 * A row names a path ("choices[*].delta.content") and how the value there is read. A string
 * that no row names is inspected like any other text. format.c has the tables, document.c and
 * calls/ read by them. All tables are static and may be used by any thread. */
#ifndef ANSWER_FORMAT_H
#define ANSWER_FORMAT_H

#include <stdbool.h>

#include "base/span.h"

/* How the value of a row is read. `text` here is what a channel carries. */
enum answer_read {
	READ_TEXT = 1, /* text of a channel; in a stream, its next piece */
	READ_COPY,     /* text of a channel repeated as a whole */
	READ_INPUT, /* a tool's arguments as a JSON value: every string in the value is text */
	/* the number of the choice, item or call that the object with this member belongs to;
	 * sets `slot` */
	READ_INDEX,
	READ_END,  /* as READ_INDEX; in addition, the event ends the block with this number */
	READ_PATH, /* a string that distinguishes texts as a number does; sets `slot` */
	/* true: the text of the same object continues; otherwise the text ends, if its row is
	 * `piece` */
	READ_MORE,
	/* true: the text of the same object belongs to another channel; sets `slot` */
	READ_FLAG,
	READ_TOOL,   /* the name of a called tool */
	READ_FINISH, /* the reason why a choice ended; null until then */
	READ_MODEL,  /* the model that responded */
	READ_MARK,   /* content of an event besides text, such as a role or the usage */
	/* a word, id, name or time of the format; a value that does not look like one is text */
	READ_WORD,
	READ_SEALED, /* base64 that only the provider can read */
	READ_OPAQUE, /* images, audio or vectors in base64 */
	READ_MEDIA,  /* the media type of a READ_OPAQUE value */
	/* the text repeated as tokens (log probabilities): replaced by null in inspected
	 * responses */
	READ_WITHHELD,
	READ_SCHEMA, /* a JSON Schema: its names and permitted values are identifiers */
	READ_ERROR,  /* if present, the provider failed */
	READ_SEQUENCE, /* a READ_WORD: the number of the event in the stream */
	READ_OBJECT, /* a READ_WORD; if the value is "error", the provider failed */
	/* An object that is a call, or a part of a call. Rows with longer paths have the
	 * name and the arguments. Only calls/ uses this row; the same path may have other
	 * rows too. */
	READ_CALL,
};

/* Kinds of text. Texts of different kinds are never joined. */
enum answer_kind {
	KIND_TEXT,
	KIND_REASONING,
	/* reasoning that the provider signs: it must be sent back unchanged or not at all */
	KIND_SIGNED,
	KIND_REFUSAL,
	KIND_ARGUMENTS, /* a tool call's arguments, as JSON text */
	KIND_INPUT,	/* arguments that are free text */
	KIND_OTHER,	/* no channel: complete in its event */
};

/* Returns the kind's name in records: "text", "arguments", …. */
const char *answer_kind_name(enum answer_kind kind);

/* Numbers that distinguish channels: choice, item or call. The last one distinguishes the
 * member that has the text. */
#define ANSWER_SLOTS   3
#define ANSWER_NUMBERS (ANSWER_SLOTS - 1) /* the numbers that a document has */

/* Tools whose calls have a type of their own instead of a name. */
enum answer_own_tool {
	OWN_NONE,
	OWN_LOCAL_SHELL,
	OWN_SHELL,
	OWN_PATCH,
	OWN_COMPUTER,
	OWN_SEARCH,
	OWN_CODE,
};
/* Returns the tool's name in rules and in the policy's `tools`; NULL: OWN_NONE. */
const char *answer_own_name(enum answer_own_tool tool);

/* An object whose `type` member makes it a call. If no member has the arguments, the whole
 * object is the arguments. In that case, unless `tool` is set, the name is the type without its
 * ending "_call". Tables end with an entry of zeros. */
struct answer_call_kind {
	const char *type; /* value of `type`; "*x": one that ends with x; NULL: any */
	/* the call's type, if this object adds to a call; NULL: `type` */
	const char *of;
	enum answer_own_tool tool; /* its name for rules; OWN_NONE: the member `name` has it */
	const char *also;	   /* another name for rules; NULL: none */
	const char *arguments[2]; /* members that may hold the arguments, of which one does */
	enum answer_says {
		SAYS_MORE,  /* a piece of the arguments */
		SAYS_AGAIN, /* the complete arguments, which rules may have read already */
		SAYS_ALL,   /* the complete arguments, equal to the pieces joined */
		SAYS_LAST,  /* the complete arguments; the last statement counts */
		SAYS_NONE,  /* not a call: the provider has run it */
	} says;
	bool any_text; /* the tool takes free text */
	bool runs;     /* not a call if its member `execution` is "server" */
};

/* Returns the first kind of the table that has this type, or NULL. */
const struct answer_call_kind *answer_kind_of_type(
	const struct answer_call_kind *kinds, struct span type);

/* One row of a table. */
struct answer_row {
	const char *path;
	enum answer_read read;
	enum answer_kind kind; /* for READ_TEXT and READ_COPY */
	/* READ_INDEX, READ_END, READ_FLAG, READ_PATH: the slot that the value sets. READ_TEXT,
	 * READ_COPY: rows with the same number other than 0 share a channel, since clients join
	 * their texts. Each other row is a channel of its own. */
	unsigned slot;
	/* READ_OPAQUE: "image" or "audio"; NULL: the READ_MEDIA row of the same object states
	 * the medium */
	const char *media;
	/* READ_CALL: the object is a call if its `type` has this value; "!x": if it has another
	 * one; NULL: always */
	const char *type;
	/* READ_CALL: a table of kinds of calls, ended by zeros. If it is set, `type` is the
	 * kind that translate/ converts. */
	const struct answer_call_kind *kinds;
	enum answer_part {
		IN_ANY,
		IN_WHOLE,
		IN_EVENT
	} part; /* READ_CALL: whether whole responses, events or both have the row */
	/* The row applies only in events of this type; "*x": types that contain x; NULL: all
	 * events. Rows with the same path are adjacent, and the rows with an event come
	 * first. */
	const char *event;
	/* READ_TEXT: the channel ends with this text, unless a READ_MORE of the object is
	 * true */
	bool piece;
	bool ends; /* a value of true, or a string, ends the choice */
	/* READ_TEXT, READ_COPY: the text is an argument of this tool; OWN_NONE: the call's name,
	 * which another row reads, names the tool */
	enum answer_own_tool tool;
};

/* A format. Static; only `tree` is written, once. */
struct answer_format {
	const char *name;
	const struct answer_row *rows; /* ended by a row with path NULL */
	const char *type;	       /* the member that has the event's type; NULL: none */
	/* Types of events that end a channel. If the event has numbers, only channels with the
	 * same numbers end. Ended by NULL. NULL: only a READ_FINISH, a READ_ERROR or a row with
	 * `ends` ends channels. */
	const char *const *ends;
	/* Types that match `ends` and nevertheless end nothing. Ended by NULL; NULL: none. */
	const char *const *no_ends;
	/* Types of the last event of a complete stream, ended by NULL. A stream without one was
	 * cut. NULL: a complete stream has an end of each choice. */
	const char *const *last;
	bool endless; /* a complete stream has no mark at its end, so a cut is not visible */
	bool lines;   /* its streams may be NDJSON */
	bool repeats; /* each event may have a finish reason, and text may follow it */
	/* Beginning of paths whose texts may repeat all of a stream's text so far. NULL:
	 * none. */
	const char *so_far;
	/* number of arrays in a path whose places become slots, not counting those written
	 * [+] */
	unsigned counted;
	bool blocks;		  /* clients join the texts of a whole response's blocks */
	struct answer_tree *tree; /* written by answer_tree() alone */
};

struct answer_node;
/* Memory for a format's tree, which is built at its first use. */
struct answer_tree {
	const struct answer_node *_Atomic root;
};

/* Returns the format of responses to requests with this path in the named dialect. Never NULL:
 * if no table has the path, returns the format of any JSON. */
const struct answer_format *answer_format_find(struct span dialect, struct span path);

extern const struct answer_format answer_realtime, answer_live;
extern const struct answer_format answer_openai, answer_openai_responses, answer_anthropic,
	answer_invoke, answer_conversations, answer_transcriptions, answer_gemini,
	answer_interactions, answer_bedrock, answer_cohere, answer_ollama, answer_tgi,
	answer_mcp, answer_any;

/* ---- the rows of a format as a tree, which a reader descends along with the document ---- */

/* A step of a path: a key of an object, or the elements of an array. */
struct answer_node {
	struct span key;
	const struct answer_row *rows; /* the first row with this path; NULL: an inner node */
	size_t nrows;
	const struct answer_row *call; /* the path's READ_CALL row, which is not among `rows` */
	/* a row of this path, or of a path below, is a call or a part of a call */
	bool calls;
	bool is_type; /* the path is that of format.type */
	bool joined;  /* an array whose elements form one text: [+] */
	bool counts;  /* usage_key_counts() of the key */
	const struct answer_node *members, *next;
	const struct answer_node *element; /* an array's elements; NULL: none */
};

/* Returns the root of the format's tree, built at the first call. Any thread. The tree is never
 * freed. NULL: out of memory. */
const struct answer_node *answer_tree(const struct answer_format *f);
/* Returns the member with this key, or NULL if no row's path leads there. n may be NULL. */
const struct answer_node *answer_member(const struct answer_node *n, struct span key);
/* Returns true if an event's type matches a row's `event`. "*x" matches types that contain
 * x. */
bool answer_type_is(struct span type, const char *row);
/* Returns the row of a value in an event of this type, or NULL. n may be NULL. */
static inline const struct answer_row *
answer_row_of(const struct answer_node *n, struct span type)
{
	for (size_t i = 0; n && i < n->nrows; i++)
		if (!n->rows[i].event || answer_type_is(type, n->rows[i].event))
			return &n->rows[i];
	return NULL;
}
/* Returns the value of a JSON number that identifies a choice, item or call. 0, 0.0 and 0e1 are
 * equal. UINT32_MAX: not such a number. */
uint32_t answer_number(struct span literal);

#endif
