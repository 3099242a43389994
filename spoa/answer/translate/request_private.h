/* The neutral form of a request, between the reader of one form and the writer of another.
 * Strings are kept as they are written in the body, with escapes; only strings that are
 * compared or changed are decoded. All memory is the request's arena. Private to translate/. */
#ifndef ANSWER_TRANSLATE_REQUEST_PRIVATE_H
#define ANSWER_TRANSLATE_REQUEST_PRIVATE_H

#include "answer/calls/tree.h"
#include "answer/translate/request.h"

enum part_kind {
	PART_NONE,
	PART_TEXT,
	PART_REFUSAL,
	PART_REASONING,
	PART_IMAGE,
	PART_FILE,
	PART_AUDIO,
	PART_CALL,
	PART_RESULT,
};

/* A part of a turn: a text, data, a call or a result. */
struct part {
	enum part_kind kind;
	const struct node *at; /* the part's place in the body, for error messages */
	struct part *next;
	struct span text;  /* As written: a text, a file's name, or an image's detail. */
	struct span media; /* media type of an image, file or audio, decoded */
	/* base64 or plain text of an image, file or audio, as written; p NULL: none */
	struct span data;
	struct span url; /* URL of an image, file or audio, as written */
	bool plain;	 /* `data` is plain text, not base64 */
	/* Id and name of a call, decoded. A result has the id of its call, the name, or
	 * both. */
	struct span id, name;
	struct span space; /* namespace of a call's tool, decoded */
	struct span json;  /* arguments of a call, a JSON object */
	/* the call of a custom tool, whose input is `text`; or the result of such a call */
	bool custom;
	/* the prompt up to this part is to be cached; NULL: not requested */
	const struct node *cache;
	bool failed;	    /* a result: the tool failed */
	bool answered;	    /* a call: its result was found */
	struct part *parts; /* the contents of a result */
};

/* A turn of the conversation. */
struct turn {
	enum turn_role { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT } role;
	const struct node *at;
	struct part *first, **end;
	struct turn *next;
};

/* A tool that the caller offers. */
struct tool_offer {
	const struct node *at;
	struct span name, space; /* decoded; `space`: its namespace, or empty */
	struct node *description, *schema, *strict; /* NULL: not stated */
	const struct node *cache;		    /* as in struct part */
	/* A custom tool: its calls have a text instead of a JSON object. Unless q->customs is
	 * set, the tool is offered as a function with one member, "input". */
	bool custom;
	/* grammar of a custom tool's input; NULL: any text is permitted */
	const struct node *syntax, *grammar;
	struct tool_offer *next;
};

/* clang-format off */
/* The members of a document, to which each form's table maps its own. */
enum setting {
	/* Single values, which are written by the table. */
	SET_CAP,
	SET_TEMPERATURE,
	SET_TOP_P,
	SET_TOP_K,
	SET_STOP, /* a string or a list of strings */
	SET_SEED,
	SET_FREQUENCY,
	SET_PRESENCE,
	SET_USER,
	SET_CHOICES, /* number of choices */
	SET_VERBOSITY,
	SET_SAFE_PROMPT, /* Mistral only */
	SET_PROMPT_MODE,
	SET_DIMENSIONS,
	SETTINGS,
	/* Members that each form writes in its own way. */
	DOC_MODEL = SETTINGS,
	DOC_SYSTEM, /* a string or a list of parts */
	DOC_TURNS,
	DOC_TOOLS,
	/* which tool the model must call */
	DOC_CHOICE, DOC_CHOICE_WORD, DOC_CHOICE_NAME, DOC_CHOICE_SPACE,
	DOC_ONE_CALL, DOC_PARALLEL, /* parallel calls are forbidden; parallel calls are allowed */
	DOC_STREAM, DOC_USAGE,
	DOC_FORMAT, DOC_FORMAT_TYPE, DOC_MEDIA_TYPE, /* format of the response */
	DOC_SCHEMA, DOC_SCHEMA_NAME, DOC_SCHEMA_DESCRIPTION, DOC_SCHEMA_STRICT,
	DOC_OWN_SCHEMA, /* a schema that is not JSON Schema */
	/* Reasoning: a word for the effort, a number of tokens, or whether the model
	 * reasons. */
	DOC_EFFORT, DOC_BUDGET, DOC_THINKING, DOC_SUMMARY,
	DOC_CACHE, /* the whole prompt is to be cached, as in struct part */
	DOC_OTHER, /* a member that the form reads itself, or that has no meaning */
	DOC_INPUTS, DOC_ENCODING, /* requests for embeddings, which have no turns */
	DOC_MEMBERS
};
/* clang-format on */

enum choice { CHOICE_UNSAID, CHOICE_AUTO, CHOICE_ANY, CHOICE_NONE, CHOICE_TOOL };

struct request_form;

/* The state of one translation. On the stack of translate_request(). */
struct question {
	const struct translate_ask *ask;
	struct translated_request *to;
	/* the form that is read; the form that is written */
	const struct request_form *form, *into;
	struct tree tree;
	struct arena *a;
	struct buf *out;
	int err;	/* the first error; 0: none */
	size_t unnamed; /* calls without an id */

	struct node *set[DOC_MEMBERS];
	struct turn *turns, **turns_end;
	struct tool_offer *tools, *tools_last, **tools_end;
	struct {
		enum choice is;
		struct span name; /* decoded */
		const struct node *at;
	} choice;
	/* the caller requests JSON without a schema; NULL: not requested */
	const struct node *any_json;
	const struct node *one_call; /* parallel calls are forbidden */
	const struct node *space;    /* namespace of the tools that are read */
	/* reasoning effort: an index in `efforts`, or EFFORT_UNSAID */
	int effort_is;
	const struct node *effort_at;
	/* reasoning budget in tokens, for a model that takes a number; 0: none */
	uint64_t budget;
	bool without_thinking; /* Anthropic: the effort is sent without `thinking` */
	bool shows_thinking;   /* the caller wants to see the reasoning */
	bool customs;	       /* the target accepts custom tools */
};

/* ---- tables ---- */

/* A row of a table: a member of an object, or of an object in it ("function.name"). Rows below
 * one member are adjacent. */
enum member_is { IS_ANY, IS_TEXT, IS_NUMBER, IS_BOOL, IS_OBJECT, IS_ARRAY, IS_TEXTS };
struct member {
	const char *name;  /* NULL: end of the table */
	enum member_is is; /* IS_TEXTS: a string or an array */
	/* Index in the array that is filled. If two rows have the same index, the first one is
	 * read and written. */
	unsigned to;
};

/* Contents of a part, which is recognized by its type or by its only member. */
enum part_has {
	/* The member that contains the other members. Errors are reported at this member if
	 * HAS_AT is missing. Index 0: no such member. */
	HAS_IN,
	HAS_AT,
	HAS_TEXT,
	HAS_URI, /* a URL or a data: URI */
	HAS_DATA,
	HAS_PLAIN, /* the text of a document */
	HAS_URL,
	HAS_MEDIA,
	HAS_ID,
	HAS_NAME,
	HAS_JSON, /* the arguments: a JSON object, or a string that contains one */
	HAS_CONTENT,
	HAS_MORE, /* a member that the form's read_part() reads, not the table */
	HAS_AND,  /* a second such member */
	PART_HAS
};
/* A row of a table of parts: which members have the contents of a part. */
struct part_row {
	const char *is;
	enum part_kind kind;	     /* PART_NONE: end of the table */
	unsigned char has[PART_HAS]; /* indexes of members */
};
/* The tables of a form's parts. `typed`: a part has a type. */
struct part_set {
	const struct member *members; /* index 0: the type, or members that any part may have */
	const struct part_row *rows;
	bool typed;
};

/* The JSON that a form writes for a part, with letters for its contents. %t is the text, %d the
 * data, %m the data's media type, %u the URL or a data: URI, and %f the file's name. Of a call,
 * %i is the id, %n the name, %j the arguments as an object, and %a the arguments as a string.
 * Of an image, %D is the member `detail`, or nothing for "auto", and %E the member, with "auto"
 * as its default. Of audio, %F is the format. */
struct part_form {
	enum part_kind kind; /* PART_NONE: end of the table */
	enum part_source { FROM_ANY, FROM_DATA, FROM_PLAIN, FROM_URL } source;
	const char *form;
};

/* A form of requests: its tables and functions. Static. */
struct request_form {
	enum form form;
	const struct member *members; /* the document's rows, by enum setting */
	/* upper limits of numbers, of the strings in a list, and of SET_USER's bytes; 0:
	 * none */
	double most[SETTINGS];
	const char *const *choices, *const *roles; /* words, by their enums */
	const struct member *turn;		   /* for question_role_turn() */
	const struct member *tool;		   /* for question_typed_tool() */
	const char *tool_type;
	bool tool_typed; /* the type is required */
	struct part_set parts;
	const struct member *const *more; /* further tables, ended by NULL; NULL: none */
	/* normalizes spellings; NULL: there is one spelling */
	void (*proto)(struct question *q, struct node *root);
	/* Reads what is special in a part. `m` has its members. */
	void (*read_part)(struct question *q, struct part *p, struct node **m);
	void (*read_turn)(struct question *q, const struct node *of);
	void (*read_tool)(struct question *q, const struct node *of);
	void (*read)(struct question *q); /* reads what no table covers; NULL: nothing */
	void (*write)(struct question *q);
	size_t name_max;  /* limit of a tool's name: letters, digits, _ and - */
	bool name_begins; /* the name begins with a letter or _ */
	bool model_in_path;
	bool text_format;   /* the response's format has a name for text */
	bool any_json;	    /* JSON without a schema is supported */
	bool customs;	    /* custom tools are supported, if the model accepts them */
	/* the member that marks cached parts, at any place, as "*.cache_control"; NULL: none */
	const char *cached;
	bool caches;	    /* the target reads such marks; chat's clients write them to others */
	bool titles;	    /* text documents have a title */
	bool object_schema; /* the schema of a response must be an object */
	/* System texts precede all turns. Turns alternate between the roles and begin with the
	 * user's. */
	bool apart;
};
extern const struct request_form chat_request_form, mistral_request_form,
	responses_request_form, messages_request_form, generate_request_form,
	converse_request_form, embeddings_request_form, embed_gemini_request_form,
	embed_cohere_request_form, embed_invoked_request_form, embed_titan_request_form;

/* ---- for readers ---- */

/* Reads the members of an object by the table into m[]. Null counts as missing. A member that
 * the table does not have must be on a list of harmless members, or is refused. Returns false
 * if q->err is set. */
bool question_members(struct question *q, const struct node *object, const struct member *table,
	struct node **m);
/* Fails: the body is not a request of its form. */
void question_odd(struct question *q, const struct node *at, const char *why);
/* Refuses a member without an equivalent, unless its value has no effect or the drop list has
 * it. Returns true if the member is left out. */
bool question_refuse(struct question *q, const struct node *at, const char *why);
/* Returns true if harmless_members.txt or the route's drop list has the member. If the record
 * names it, notes it. */
bool question_may_go(struct question *q, const struct node *n);
extern const char question_nowhere[]; /* the usual reason for a refusal */
/* Notes the path of a member that is left out. */
void question_left_out(struct question *q, const struct node *n);
/* Notes a dropped member. `path` is fixed, or the plan's. */
void question_dropped(struct question *q, const char *path);
/* Writes SET_USER under this name. An id that is longer than the form accepts (most[SET_USER])
 * becomes its hash with ask->user_key, which is stable as long as the key is. */
void question_put_user(struct question *q, const char *name);
/* Returns the index of the node's word, or -1 if no word matches. Refuses a node that has another
 * word. */
int question_word(struct question *q, const struct node *n, const char *const *words);
bool node_is(const struct node *n, const char *word);
bool node_true(const struct node *n);
/* Returns true for a member that needs no equivalent, whatever its name: null, an empty string
 * or list, or an empty object, unless it may be a choice, a tool or the type of an element.
 * `n` NULL: true. */
bool node_says_nothing(const struct node *n);
/* Returns the inside of a string as it is written. */
struct span node_written(const struct node *n);
struct span node_text(const struct node *n); /* decoded */
/* Returns the member of `of` that marks it as cached in the form that is read, or NULL. */
const struct node *question_cached_at(const struct question *q, const struct node *of);
struct turn *question_turn(struct question *q, enum turn_role role, const struct node *at);
struct part *turn_part(
	struct question *q, struct turn *t, enum part_kind kind, const struct node *at);
/* Turns the part into an empty text, which question_order() removes, because the route drops
 * it. */
void part_goes(struct part *p);
/* Reads a part by the rows of a set. NULL: q->err is set, or the part is left out. */
struct part *question_part(
	struct question *q, struct turn *t, const struct node *of, const struct part_set *set);
/* Reads a turn's content: a string, or a list of parts in the form. `t` NULL: does nothing. */
void turn_content(struct question *q, struct turn *t, const struct node *content);
/* Adds a turn with the role in `role`. NULL: q->err is set. */
struct turn *question_role(struct question *q, const struct node *role, const struct node *at);
/* Reads a turn of a role and a content by the form's table. For read_turn. */
enum { TURN_TYPE, TURN_ROLE, TURN_CONTENT, TURN_MEMBERS };
void question_role_turn(struct question *q, const struct node *of);
/* Adds a tool with these members; NULL members are not stated. */
enum {
	TOOL_NAME,
	TOOL_DESCRIPTION,
	TOOL_SCHEMA,
	TOOL_STRICT,
	TOOL_TYPE,
	TOOL_GRAMMAR,
	TOOL_MEMBERS
};
void question_tool(struct question *q, const struct node *at, struct node *const *m);
/* Adds one of OpenAI's custom tools, whose call is a text, in a grammar (TOOL_GRAMMAR) or
 * any. */
void question_custom_tool(struct question *q, const struct node *at, struct node *const *m);
/* Stores a custom tool's input in the part, as a text or as arguments. `input` NULL: does
 * nothing. */
void part_custom_input(struct question *q, struct part *p, const struct node *input);
/* Adds a tool whose type is the form's word, or is missing if the form permits. The provider
 * runs tools of other types. For read_tool. */
void question_typed_tool(struct question *q, const struct node *of);

enum {
	REQUEST_MEMBERS = 24, /* members in a table at most */
	TURN_CALLS = 1024,    /* calls in a turn at most */
};
enum { EFFORT_UNSAID = -1 }; /* no effort stated; else as in base/tokens/models.h */
/* Returns the JSON as the inside of a string. */
struct span escaped_json(struct question *q, struct span json);
/* Parses JSON into a tree of its own. NULL: q->err is set. */
struct node *question_json(
	struct question *q, const struct node *at, struct span json, const char *why);

/* ---- for writers ---- */

/* Writes a string that is escaped already. */
void put_written(struct buf *b, const char *name, struct span written);
void put_node(struct buf *b, const char *name, const struct node *n);
/* Writes the mark that the prompt up to here is cached, with the ttl of `cache`, as in
 * "'cache_control':{'type':'ephemeral'}". `cache` NULL: writes nothing. */
void put_cache(
	struct question *q, const char *name, const char *type, const struct node *cache);
/* Writes a part by the rows, or refuses it. */
void put_part(struct question *q, const struct part_form *rows, const struct part *p);
/* Returns the schema as Anthropic accepts it. `closed`: Anthropic is to enforce the schema. Then
 * no object may have members that the schema does not name, and words that Anthropic does not
 * enforce are moved into the description, where the model reads them. If Anthropic enforces less
 * than the schema states, the schema is noted. NULL: no schema, or q->err is set. */
struct node *question_schema(struct question *q, struct node *schema, bool closed);
/* Returns the schema's place in the body: the schema, unless it was converted. */
const struct node *question_schema_at(const struct question *q, const struct node *schema);
/* Returns true unless the type of the schema's root, or of the definition to which it refers, is
 * known and not an object. */
bool question_schema_is_object(const struct node *schema);
/* Returns true if OpenAI is requested to enforce the schema. OpenAI's own clients decide that
 * themselves. Schemas of other clients must have no optional members, which OpenAI refuses;
 * otherwise the member `at` is noted as left out. */
bool question_enforced(struct question *q, const struct node *schema, const struct node *at);
/* Writes name, description, schema (under that name; NULL: none) and strict. */
void put_tool(struct buf *b, const struct tool_offer *t, const char *schema);
/* Returns the parts of a result, preceded by *failed, a text that the tool failed, if no other
 * member can state that. */
const struct part *result_parts(const struct part *r, struct part *failed);
bool part_is_text(const struct part *p); /* or a document that is text */
/* Sets *text to the file with its decoded text as data, if its bytes are text. Otherwise sets
 * *text to *p and returns false. */
bool part_file_text(struct question *q, const struct part *p, struct part *text);
/* OpenAI's two forms: read and write the tool to call (`one` is the form for a function,
 * `custom` for a custom tool), write the response's schema, and return the effort. */
void read_openai_choice(struct question *q, const struct member *named);
void put_openai_choice(struct question *q, const char *one, const char *custom);
void put_schema(struct question *q);
/* Reads the member `thinking` of Claude's models (DOC_THINKING), at Anthropic and Bedrock. */
void read_thinking(struct question *q);
const char *openai_effort(const struct question *q);
/* Writes the settings by the table of the target's form. */
void question_put_settings(struct question *q);
/* Returns an id of a call in a form that every target accepts. */
struct span question_id(struct question *q, struct span id);
/* turns.c: joins adjacent turns of one role, puts results first and after their calls, and
 * removes texts that are empty or only spaces. */
void question_order(struct question *q, const struct request_form *to);

#endif
