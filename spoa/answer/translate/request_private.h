/* The neutral form of a request, between a reader and a writer of two forms. Texts are as they
 * are written in the body, escapes and all: what is only moved is not decoded. Private to
 * translate/. */
#ifndef ANSWER_TRANSLATE_REQUEST_PRIVATE_H
#define ANSWER_TRANSLATE_REQUEST_PRIVATE_H

#include "answer/calls/tree.h"
#include "answer/translate/request.h"

enum part_kind {
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
	struct span text;  /* written: of a text; of a file its name */
	struct span media; /* of image, file, audio: decoded; */
	struct span data;  /* its base64, or its plain text, written; p NULL: */
	struct span url;   /* where it is, written */
	bool plain;	   /* data is no base64 */
	struct span id, name; /* of a call; of a result its call's, or one of them: decoded */
	struct span json;     /* of a call the arguments, an object */
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
	struct span name;		     /* decoded */
	struct node *description, *schema, *strict; /* NULL: not said */
	struct tool_offer *next;
};

/* What is one value in every form that has it: tables say where. */
enum setting {
	SET_CAP,
	SET_TEMPERATURE,
	SET_TOP_P,
	SET_TOP_K,
	SET_STOP, /* a text or a list of them */
	SET_SEED,
	SET_FREQUENCY,
	SET_PRESENCE,
	SET_USER,
	SET_DIMENSIONS,
	SETTINGS
};

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

	struct node *set[SETTINGS];
	struct turn *turns, **turns_end;
	struct tool_offer *tools, **tools_end;
	struct {
		enum choice is;
		struct span name; /* decoded */
		const struct node *at;
	} choice;
	const struct node *one_call; /* it may not call several tools at once */
	int effort_is; /* of its reasoning, by place in `efforts`; EFFORT_UNSAID */
	const struct node *inputs;   /* a text or texts to embed; NULL: it is a conversation */
	/* The schema of what it answers; name, description, strict may be NULL. */
	const struct node *schema, *schema_name, *schema_description, *schema_strict;
};

/* ---- tables ---- */

/* A member of an object by its name. */
enum member_is { IS_ANY, IS_TEXT, IS_NUMBER, IS_BOOL, IS_OBJECT, IS_ARRAY, IS_TEXTS };
struct member {
	const char *name; /* NULL: the last */
	enum member_is is; /* IS_TEXTS: a text or an array */
};

/* A setting's member in requests of a form, and what it may be there. Of two of one setting the
 * first is written, and read where both are there. */
struct setting_row {
	const char *name; /* NULL: the last */
	enum setting is;
	enum member_is type;
	double most; /* of a number, or of the texts of a list; 0: any */
};

struct request_form {
	enum form form;
	const struct member *members; /* of the document, besides its settings, where it has them */
	const struct setting_row *settings;
	/* Members of the document, by place in `members`; NULL: not there, or null. */
	void (*read)(struct question *q, struct node **m);
	void (*write)(struct question *q); /* what no table says */
	size_t name_max;	     /* of a tool: letters, digits, _ and - */
	bool model_in_path;
	bool nested; /* its settings are in a member of the document */
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
/* The same, where the form has its settings there. */
bool question_settings(struct question *q, const struct node *object,
	const struct member *table, struct node **m);
/* It is no request of its form. */
void question_odd(struct question *q, const struct node *at, const char *why);
/* It has no place: refused, unless it says nothing or the route lets it go. True: so it goes, and
 * is not written. */
bool question_refuse(struct question *q, const struct node *at, const char *why);
extern const char question_nowhere[]; /* why, mostly */
/* What goes anyway is noted. `path`: fixed, or the plan's. */
void question_dropped(struct question *q, const char *path);
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
/* data:image/png;base64,… as media and data; false: it is another URI. */
bool part_data_uri(struct question *q, struct part *p, const struct node *url);
/* The route lets it go: it is a text that says nothing, and turns.c takes it out. */
void part_goes(struct part *p);
/* A part that is a text: the node's, or none. */
struct part *turn_text(struct question *q, struct turn *t, enum part_kind kind,
	const struct node *at, const struct node *text);
/* A string, which is one text, or a list of parts that `read` reads. */
void turn_content(struct question *q, struct turn *t, const struct node *content,
	void (*read)(struct question *q, struct turn *t, const struct node *of));
/* A result of the call of this id, with its content, which is read so; and a call, without its
 * arguments. `t` NULL, or no memory: NULL. */
struct part *turn_result(struct question *q, struct turn *t, const struct node *at,
	const struct node *id, const struct node *content,
	void (*read)(struct question *q, struct turn *t, const struct node *of));
struct part *turn_call(struct question *q, struct turn *t, const struct node *at,
	const struct node *id, const struct node *name);
/* Of the members of a part those that its type has, bits by place; another one is odd. */
void question_only(
	struct question *q, struct node *const *m, size_t n, unsigned has, const char *why);
/* A tool by its members, as each form's table has them; NULL: not said. */
enum { TOOL_NAME, TOOL_DESCRIPTION, TOOL_SCHEMA, TOOL_STRICT, TOOL_MEMBERS };
void question_tool(struct question *q, const struct node *at, struct node *const *m);
/* An object as text: what it is. False: q->err. */
bool question_arguments(struct question *q, struct part *call, const struct node *text);

enum {
	REQUEST_MEMBERS = 24, /* of a table, at most */
	TURN_CALLS = 1024,    /* of a turn */
};
/* Of reasoning, least first. */
enum { EFFORT_UNSAID = -1, EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH,
	EFFORT_XHIGH, EFFORT_MAX, EFFORTS };
extern const char *const efforts[]; /* NULL last */
/* JSON as the inside of a string. */
struct span escaped_json(struct question *q, struct span json);
int effort_of_budget(const struct node *tokens);

/* ---- for writers ---- */

/* A string of what is written already. */
void put_written(struct buf *b, const char *name, struct span written);
void put_node(struct buf *b, const char *name, const struct node *n);
void put_data_uri(struct buf *b, const char *name, const struct part *p);
/* Name, description, schema (under that name, NULL: not) and strict. */
void put_tool(struct buf *b, const struct tool_offer *t, const char *schema);
/* What a result says first whose tool failed, where nothing else says it. */
extern const struct part tool_failed;
/* Of OpenAI's two forms: the schema of the answer, and the effort. */
void put_schema(struct question *q);
const char *openai_effort(const struct question *q);
/* The settings that it has, by the table of the form that is written. */
void question_put_settings(struct question *q);
/* An id of a call as every form takes it. */
struct span question_id(struct question *q, struct span id);
/* turns.c: neighbours of one role are one turn, results come first and after their calls, texts
 * of nothing but blanks go. */
void question_order(struct question *q, const struct request_form *to);

#endif
