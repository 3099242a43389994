/* Formats of answers: tables that say what the strings of a response, or of one event
 * of a stream, are. A row names a path ("choices[*].delta.content") and what stands
 * there; a string that no row names is read like any other text. */
#ifndef ANSWER_FORMAT_H
#define ANSWER_FORMAT_H

#include "base/span.h"

enum answer_read {
	READ_TEXT = 1, /* of a channel: in a stream the next piece of it */
	READ_COPY,     /* text of a channel again, as a whole */
	READ_INPUT,    /* a tool's arguments as a value: every string below is text */
	READ_INDEX,    /* number of the choice, item or call that its object is, for `slot` */
	READ_END,      /* the same, of a block that this event ends */
	READ_PATH,     /* a string that tells texts apart as a number does, for `slot` */
	READ_MORE, /* true: the text next to it goes on; else it ends, where its row is `piece`
		    */
	READ_FLAG, /* true: the text next to it is another channel, by `slot` */
	READ_TOOL, /* the name of a tool that is called */
	READ_FINISH,   /* why a choice ended; null while it has not */
	READ_MODEL,    /* the model that answered */
	READ_MARK,     /* what an event is there for besides its text: a role, the usage */
	READ_WORD,     /* the format's own words, ids and times: no text where they look so */
	READ_SEALED,   /* what only the provider can read, in base64 */
	READ_OPAQUE,   /* images, audio, vectors, likewise */
	READ_MEDIA,    /* the media type of what is opaque */
	READ_WITHHELD, /* the text once more, cut to tokens: null where answers are read */
	READ_ERROR,    /* where it is, the provider failed */
	READ_OBJECT,   /* a READ_WORD; where it says "error", the provider failed */
	READ_CALL,     /* an object that is a call, or a part of one: rows below it say its name
			* and arguments. For calls/ alone: it may have rows of its own, too */
};

enum answer_kind {
	KIND_TEXT,
	KIND_REASONING,
	KIND_SIGNED, /* reasoning that the provider signs: sent back as it came, or not at all
		      */
	KIND_REFUSAL,
	KIND_ARGUMENTS, /* of a tool call, as JSON text */
	KIND_INPUT,	/* the same, of a tool that takes any text */
	KIND_OTHER,	/* no channel: whole in its event */
};

/* As records say it: "text", "arguments", … */
const char *answer_kind_name(enum answer_kind kind);

/* Numbers that tell channels apart: choice, item or call; last the member that says the text.
 */
#define ANSWER_SLOTS   3
#define ANSWER_NUMBERS (ANSWER_SLOTS - 1) /* those of the document */

/* An object that is a call where its type says so. One whose arguments no member has is all of
 * them itself; its name is its type's beginning, unless it is given here. */
struct answer_call_kind {
	const char *type;	  /* its member `type`; "*x": one that ends so; NULL: any */
	const char *of;		  /* NULL, or of which type the call is that it says more of */
	const char *name, *also;  /* as rules know it; NULL: its member `name` says it */
	const char *arguments[2]; /* one of these members has them */
	enum answer_says {
		SAYS_MORE,  /* a piece of them */
		SAYS_AGAIN, /* all of them, which rules may have read by now */
		SAYS_ALL,   /* all of them, which are what its pieces said */
		SAYS_LAST,  /* the last that says them counts */
		SAYS_NONE,  /* it is none: the provider has run it */
	} says;
	bool any_text; /* of a tool that takes any text */
	bool runs;     /* none where its member `execution` says "server" */
};

struct answer_row {
	const char *path;
	enum answer_read read;
	enum answer_kind kind; /* READ_TEXT, READ_COPY */
	/* READ_INDEX, READ_END, READ_FLAG. READ_TEXT, READ_COPY: each row's text is a channel
	 * of its own, but for rows of one number: clients join what those say. */
	unsigned slot;
	const char *media; /* READ_OPAQUE: "image", "audio"; NULL: as the READ_MEDIA next to it
			      says */
	const char *type;  /* READ_CALL: it is one if its member `type` says so, "!x": unless it
			      says x; NULL: whatever it says */
	const struct answer_call_kind *kinds; /* READ_CALL: of several, instead; all zero last:
			      `type` is the one that goes into another form */
	enum answer_part {
		IN_ANY,
		IN_WHOLE,
		IN_EVENT
	} part;		   /* READ_CALL: of answers; where
another one has it clients differ, and `event` is as exact */
	const char *event; /* in events of this type only, "*x": with x in it; NULL: in any.
			      Rows of one path stand together, those with an event first */
	bool piece;	   /* READ_TEXT: its channel ends with it, but for a READ_MORE */
	bool ends;	   /* true, or a string: with this event its choice has ended */
};

struct answer_format {
	const char *name;
	const struct answer_row *rows; /* path NULL last */
	const char *type;	       /* the member that says what an event is; NULL: none */
	/* Events after which a channel goes on no more: where they have numbers, those with
	 * the same. NULL last; NULL: none but those with a READ_FINISH, READ_ERROR or `ends` */
	const char *const *ends;
	/* Types that match one of `ends` and are no end; NULL last. NULL: none */
	const char *const *no_ends;
	/* What a whole stream has at its end, or it was cut: an event of one of these types
	 * (NULL last), where its events have types; NULL: an end of each of its choices. */
	const char *const *last;
	bool endless; /* it has nothing there: a cut cannot be seen */
	bool lines;   /* its streams may be lines of JSON */
	bool repeats; /* a finish may be said in each event, and text after it */
	/* Where a stream's events may say all that came so far: rows whose paths begin so.
	 * NULL: nowhere */
	const char *so_far;
	unsigned counted;	  /* so many arrays of a path count places into slots, but those
				     written [+] */
	bool blocks;		  /* clients join the texts of a whole answer's blocks */
	struct answer_tree *tree; /* answer_tree()'s own */
};

struct answer_node;
struct answer_tree {
	const struct answer_node *_Atomic root;
};

/* What a request to this path is answered with, in the dialect of that name; the format
 * of any JSON where no table knows it. */
const struct answer_format *answer_format_find(struct span dialect, struct span path);

extern const struct answer_format answer_realtime, answer_live;
extern const struct answer_format answer_openai, answer_openai_responses, answer_anthropic,
	answer_transcripts, answer_complete, answer_invoke, answer_conversations,
	answer_transcriptions, answer_gemini, answer_interactions, answer_bedrock,
	answer_cohere, answer_ollama, answer_tgi, answer_mcp, answer_any;

#endif
