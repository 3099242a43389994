/* The neutral form of a request, between a reader and a writer of two forms. Texts are as they
 * are written in the body, escapes and all: what is only moved is not decoded. Private to
 * translate/. */
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

struct part {
	enum part_kind kind;
	const struct node *at; /* says where it is, where it is refused */
	struct part *next;
	struct span text;  /* written: of a text; of a file its name; of an image how closely it is
			      looked at */
	struct span media; /* of image, file, audio: decoded; */
	struct span data;  /* its base64, or its plain text, written; p NULL: */
	struct span url;   /* where it is, written */
	bool plain;	   /* data is no base64 */
	struct span id, name; /* of a call; of a result its call's, or one of them: decoded */
	struct span space;    /* the namespace of a call's tool, decoded */
	struct span json;     /* of a call the arguments, an object */
	bool custom; /* a call of a custom tool, written as one: its input is `text`; or its result */
	const struct node *cache; /* the prompt up to here is to be cached; NULL: it need not */
	bool failed;	      /* a result */
	bool answered;	      /* a call: its result has been met */
	struct part *parts;   /* of a result */
};

struct turn {
	enum turn_role { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT } role;
	const struct node *at;
	struct part *first, **end;
	struct turn *next;
};

struct tool_offer {
	const struct node *at;
	struct span name, space;	     /* decoded; the namespace that it is in, or empty */
	struct node *description, *schema, *strict; /* NULL: not said */
	const struct node *cache; /* as of a part */
	bool custom; /* its call is a text; unless q->customs, it is offered as a function with the member "input" */
	const struct node *syntax, *grammar; /* of that text; NULL: any */
	struct tool_offer *next;
};

/* clang-format off */
/* What a document has, by its form's table of members. */
enum setting {
	/* One value in every form that has it: written by the table. */
	SET_CAP,
	SET_TEMPERATURE,
	SET_TOP_P,
	SET_TOP_K,
	SET_STOP, /* a text or a list of them */
	SET_SEED,
	SET_FREQUENCY,
	SET_PRESENCE,
	SET_USER,
	SET_CHOICES, /* answers of which the caller takes one */
	SET_VERBOSITY,
	SET_SAFE_PROMPT, /* Mistral's own */
	SET_PROMPT_MODE,
	SET_DIMENSIONS,
	SETTINGS,
	/* What each form writes in its way. */
	DOC_MODEL = SETTINGS,
	DOC_SYSTEM, /* a text, or a list of parts */
	DOC_TURNS,
	DOC_TOOLS,
	DOC_CHOICE, DOC_CHOICE_WORD, DOC_CHOICE_NAME, DOC_CHOICE_SPACE, /* of a tool */
	DOC_ONE_CALL, DOC_PARALLEL, /* it may not call several tools at once; or it may */
	DOC_STREAM, DOC_USAGE,
	DOC_FORMAT, DOC_FORMAT_TYPE, DOC_MEDIA_TYPE, /* of what it answers */
	DOC_SCHEMA, DOC_SCHEMA_NAME, DOC_SCHEMA_DESCRIPTION, DOC_SCHEMA_STRICT,
	DOC_OWN_SCHEMA, /* which is no JSON Schema */
	/* Of its reasoning: a word, what that comes to in tokens, or whether it does at all. */
	DOC_EFFORT, DOC_BUDGET, DOC_THINKING, DOC_SUMMARY,
	DOC_CACHE, /* up to the end, as of a part */
	DOC_OTHER, /* is read for itself, or is of no matter */
	DOC_INPUTS, DOC_ENCODING, /* to embed: it is no conversation */
	DOC_MEMBERS
};
/* clang-format on */

enum choice { CHOICE_UNSAID, CHOICE_AUTO, CHOICE_ANY, CHOICE_NONE, CHOICE_TOOL };

struct request_form;

struct question {
	const struct translate_ask *ask;
	struct translated_request *to;
	const struct request_form *form, *into; /* that is read; written */
	struct tree tree;
	struct arena *a;
	struct buf *out;
	int err; /* the first */
	size_t unnamed; /* calls that came without an id */

	struct node *set[DOC_MEMBERS];
	struct turn *turns, **turns_end;
	struct tool_offer *tools, *tools_last, **tools_end;
	struct {
		enum choice is;
		struct span name; /* decoded */
		const struct node *at;
	} choice;
	const struct node *any_json; /* its answer is JSON, of no schema; NULL: it need not be */
	const struct node *one_call; /* it may not call several tools at once */
	const struct node *space; /* the namespace whose tools are read */
	int effort_is; /* of its reasoning, by place in `efforts`; EFFORT_UNSAID */
	const struct node *effort_at;
	uint64_t budget; /* the tokens that this comes to, of a model that takes a number; 0: none */
	bool without_thinking; /* an effort alone, at Anthropic's */
	bool shows_thinking; /* the caller wants to see it */
	bool customs; /* the target takes custom tools */
};

/* ---- tables ---- */

/* A member of an object, or of what is in it: "function.name". What is below one member stands
 * together. */
enum member_is { IS_ANY, IS_TEXT, IS_NUMBER, IS_BOOL, IS_OBJECT, IS_ARRAY, IS_TEXTS };
struct member {
	const char *name; /* NULL: the last */
	enum member_is is; /* IS_TEXTS: a text or an array */
	/* Its place in what is read. Of two with one place the first is read, and written. */
	unsigned to;
};

/* A part of a turn: by what its type says, or by the one member that it has. */
enum part_has {
	HAS_IN, /* the member that it is in; refused there, if it has no AT. Places of 0: none */
	HAS_AT,
	HAS_TEXT,
	HAS_URI,  /* an address, or data: */
	HAS_DATA,
	HAS_PLAIN, /* of a document that is a text */
	HAS_URL,
	HAS_MEDIA,
	HAS_ID,
	HAS_NAME,
	HAS_JSON, /* arguments: an object, or the text of one */
	HAS_CONTENT,
	HAS_MORE, /* what the form reads for itself: this, */
	HAS_AND,  /* and that */
	PART_HAS
};
struct part_row {
	const char *is;
	enum part_kind kind; /* PART_NONE: the last */
	unsigned char has[PART_HAS]; /* places of members */
};
struct part_set {
	const struct member *members; /* place 0: the type, or what any part may have */
	const struct part_row *rows;
	bool typed;
};

/* The JSON that a form writes for a part, with letters for its contents: %t the text, %d the data, %m the
 * media type of the data, %u the URL or data: URI, %f the file's name; for a call %i the id, %n the name,
 * %j the arguments as an object, %a the arguments as a string; for an image %D the member `detail`, or
 * nothing, %E the member; for audio %F the format. */
struct part_form {
	enum part_kind kind; /* PART_NONE: the last */
	enum part_source { FROM_ANY, FROM_DATA, FROM_PLAIN, FROM_URL } source;
	const char *form;
};

struct request_form {
	enum form form;
	const struct member *members; /* of the document, by enum setting */
	double most[SETTINGS]; /* of a number, of the texts of a list, of SET_USER's bytes; 0: any */
	const char *const *choices, *const *roles; /* words, by their enums */
	const struct member *turn; /* of question_role_turn() */
	const struct member *tool; /* of question_typed_tool() */
	const char *tool_type;
	bool tool_typed; /* must say its type */
	struct part_set parts;
	const struct member *const *more; /* further tables that it reads by; ends with NULL; NULL: none */
	void (*proto)(struct question *q, struct node *root); /* one spelling; NULL: it has one */
	/* What a part has for itself, by its places. */
	void (*read_part)(struct question *q, struct part *p, struct node **m);
	void (*read_turn)(struct question *q, const struct node *of);
	void (*read_tool)(struct question *q, const struct node *of);
	void (*read)(struct question *q); /* what no table says; NULL: nothing */
	void (*write)(struct question *q);
	size_t name_max;	     /* of a tool: letters, digits, _ and - */
	bool name_begins;	     /* with a letter or _ */
	bool model_in_path;
	bool text_format; /* of an answer, by name */
	bool any_json;	  /* JSON of no schema, too */
	bool customs;	  /* custom tools, if the model takes them */
	const char *cached; /* the member that marks what is to be cached, in any place; NULL: it has none */
	bool titles; /* text documents have one */
	bool apart;  /* system texts stand before all turns, which change roles and begin with the
		       user's */
};
extern const struct request_form chat_request_form, mistral_request_form, responses_request_form,
	messages_request_form, generate_request_form, converse_request_form,
	embeddings_request_form, embed_gemini_request_form, embed_cohere_request_form,
	embed_invoked_request_form, embed_titan_request_form;

/* ---- for readers ---- */

/* The members of an object by its table, into m[]; what it has besides is looked up in the
 * list of harmless ones, or refused. Null is what is not there. False: q->err. */
bool question_members(struct question *q, const struct node *object, const struct member *table,
	struct node **m);
/* It is no request of its form. */
void question_odd(struct question *q, const struct node *at, const char *why);
/* It has no place: refused, unless it says nothing or the route lets it go. True: so it goes, and
 * is not written. */
bool question_refuse(struct question *q, const struct node *at, const char *why);
/* Returns true if harmless_members.txt or the route's drop list has the member. If the record names it, it
 * is noted. */
bool question_may_go(struct question *q, const struct node *n);
extern const char question_nowhere[]; /* why, mostly */
/* It is left out, and its path is noted. */
void question_left_out(struct question *q, const struct node *n);
/* What goes anyway is noted. `path`: fixed, or the plan's. */
void question_dropped(struct question *q, const char *path);
/* Writes SET_USER under this name. An id that is longer than the form takes (most[SET_USER]) becomes
 * its hash under ask->user_key, which is the same as long as the key is. */
void question_put_user(struct question *q, const char *name);
/* A table's words. -1: it is none of them. */
int question_word(struct question *q, const struct node *n, const char *const *words);
bool node_is(const struct node *n, const char *word);
bool node_true(const struct node *n);
/* The inside of a string, as it is written. */
struct span node_written(const struct node *n);
struct span node_text(const struct node *n); /* decoded */
struct turn *question_turn(struct question *q, enum turn_role role, const struct node *at);
struct part *turn_part(struct question *q, struct turn *t, enum part_kind kind,
	const struct node *at);
/* The route lets it go: it is a text that says nothing, and turns.c takes it out. */
void part_goes(struct part *p);
/* A part by the rows of a set. NULL: q->err, or it goes. */
struct part *question_part(struct question *q, struct turn *t, const struct node *of,
	const struct part_set *set);
/* A string, which is one text, or a list of parts of its form. `t` NULL: nothing. */
void turn_content(struct question *q, struct turn *t, const struct node *content);
/* A turn of the role that it says, one of the form's. NULL: q->err. */
struct turn *question_role(
	struct question *q, const struct node *role, const struct node *at);
/* A turn that is a role and content, by the form's table: a read_turn. */
enum { TURN_TYPE, TURN_ROLE, TURN_CONTENT, TURN_MEMBERS };
void question_role_turn(struct question *q, const struct node *of);
/* A tool by its members, as each form's table has them; NULL: not said. */
enum { TOOL_NAME, TOOL_DESCRIPTION, TOOL_SCHEMA, TOOL_STRICT, TOOL_TYPE, TOOL_GRAMMAR,
	TOOL_MEMBERS };
void question_tool(struct question *q, const struct node *at, struct node *const *m);
/* One of OpenAI's custom tools, whose call is a text, in a grammar (TOOL_GRAMMAR) or any. */
void question_custom_tool(struct question *q, const struct node *at, struct node *const *m);
/* Stores the input of a custom tool's call in the part, as a text or as arguments. `input` NULL: the call is of another
 * tool, and nothing is stored. */
void part_custom_input(struct question *q, struct part *p, const struct node *input);
/* One whose type is the form's word, or, unless it must have one, not said: others are run by
 * the provider. A read_tool. */
void question_typed_tool(struct question *q, const struct node *of);

enum {
	REQUEST_MEMBERS = 24, /* of a table, at most */
	TURN_CALLS = 1024,    /* of a turn */
};
enum { EFFORT_UNSAID = -1 }; /* else as in base/tokens/models.h */
/* JSON as the inside of a string. */
struct span escaped_json(struct question *q, struct span json);
/* JSON as a tree of its own; q->err. */
struct node *question_json(
	struct question *q, const struct node *at, struct span json, const char *why);

/* ---- for writers ---- */

/* A string of what is written already. */
void put_written(struct buf *b, const char *name, struct span written);
void put_node(struct buf *b, const char *name, const struct node *n);
/* Writes the mark that the prompt up to here is cached, with the ttl of `cache`, as in
 * "'cache_control':{'type':'ephemeral'}". If `cache` is NULL, nothing is written. */
void put_cache(struct question *q, const char *name, const char *type, const struct node *cache);
/* A part by a form's rows, or it is refused. */
void put_part(struct question *q, const struct part_form *rows, const struct part *p);
/* schema.c: the schema as Anthropic takes it. `closed`: it is enforced, so each object in it excludes
 * further members unless it says otherwise. NULL: there is none, or q->err. */
struct node *question_schema(struct question *q, struct node *schema, bool closed);
/* Returns true if OpenAI is asked to enforce the schema. OpenAI's own clients decide that themselves. For the others, the
 * schema must have no optional members, which OpenAI refuses; if it has, the member `at` is noted as left out. */
bool question_enforced(struct question *q, const struct node *schema, const struct node *at);
/* Name, description, schema (under that name, NULL: not) and strict. */
void put_tool(struct buf *b, const struct tool_offer *t, const char *schema);
/* What a result says, and first, in *failed, that its tool failed, where nothing else does. */
const struct part *result_parts(const struct part *r, struct part *failed);
bool part_is_text(const struct part *p); /* or a document that is one */
/* A file whose bytes, in base64, are a text: *text is the file with that text as its data. False: the
 * bytes are no text, and *text is *p. */
bool part_file_text(struct question *q, const struct part *p, struct part *text);
/* Of OpenAI's two forms: which tool is to be called (`one` shows a function by its name, `custom` a custom tool); the schema of
 * the answer, and the effort. */
void read_openai_choice(struct question *q, const struct member *named);
void put_openai_choice(struct question *q, const char *one, const char *custom);
void put_schema(struct question *q);
/* Reads the member `thinking` of Claude's models, which is in DOC_THINKING, at Anthropic and Bedrock. */
void read_thinking(struct question *q);
const char *openai_effort(const struct question *q);
/* The settings that it has, by the table of the form that is written. */
void question_put_settings(struct question *q);
/* An id of a call as every form takes it. */
struct span question_id(struct question *q, struct span id);
/* turns.c: neighbours of one role are one turn, results come first and after their calls, texts
 * of nothing but blanks go. */
void question_order(struct question *q, const struct request_form *to);

#endif
