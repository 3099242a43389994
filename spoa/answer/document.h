/* One JSON document of an answer, a whole response or an event's payload, as texts of
 * channels. Strict JSON; what is found is in the order of the bytes. */
#ifndef ANSWER_DOCUMENT_H
#define ANSWER_DOCUMENT_H

#include "answer/format.h"
#include "scan/dialect/usage.h"

struct answer_text {
	enum answer_kind kind;
	bool copy;
	bool number; /* a literal, not a string: becomes one where it is replaced */
	bool key;    /* of an object within a tool's arguments */
	bool deep;   /* in a tool's arguments as a value */
	bool piece;  /* of a value of a call's arguments, told apart by its path */
	bool last;   /* such a value ends with it */
	bool so_far; /* in a stream it may be all of the text so far */
	bool halves; /* has a half of a surrogate pair (base/codec/utf8.h) */
	bool aside;  /* no part of what is said: a name, a key, what no word of a format is */
	/* A string that no row names: the same `path` is the same member of another event,
	 * wherever it is in its arrays. `worded`: by its key, formats have words, ids and times
	 * there. */
	bool unnamed, worded;
	bool strict; /* by a format that names what is shown: it may be a call's */
	uint64_t path;
	uint32_t slot[ANSWER_SLOTS];
	size_t start, end; /* raw bytes: between the quotes */
	struct span text;  /* decoded */
};

struct answer_call {
	struct span name;
	uint32_t slot[ANSWER_SLOTS];
	size_t object; /* of the document, that says it */
};

struct answer_range {
	size_t start, end;
};

/* The arguments of a call that are a value of JSON: all of it, as it came. */
struct answer_input {
	uint32_t slot[ANSWER_SLOTS];
	size_t object; /* as a call's */
	struct span json;
};

/* A string that the provider sealed: between its quotes. */
struct answer_seal {
	uint32_t slot[ANSWER_SLOTS];
	struct answer_range at;
};

/* A word or a number where the format has its words, ids and times: nothing is made of it, nor
 * of another such in its place. In raw bytes, a word's between its quotes. */
enum { ANSWER_SKIPPED = 8 };
struct answer_skipped {
	struct answer_range at;
	bool number;
};

/* Places where it names the model that answered, the first of them. */
enum { ANSWER_MODELS = 4 };

enum answer_media { MEDIA_IMAGE, MEDIA_AUDIO, MEDIA_VIDEO, MEDIA_FILE, MEDIA_UNKNOWN, MEDIAS };
extern const char *const answer_media_names[MEDIAS];
/* Of a media type: image/png. */
enum answer_media answer_media_of(struct span type);

struct answer_document {
	struct span type; /* the event's; empty: it has none */
	struct answer_text *texts;
	size_t ntexts, texts_room;
	struct answer_call *calls;
	size_t ncalls, calls_room;
	struct answer_input *inputs;
	size_t ninputs, inputs_room;
	struct answer_range *withheld;
	size_t nwithheld, withheld_room;
	struct answer_seal *seals;
	size_t nseals, seals_room;
	struct answer_skipped skipped[ANSWER_SKIPPED]; /* the first of them */
	size_t nskipped;
	struct span finish; /* empty: not said */
	struct span model;
	struct answer_range models[ANSWER_MODELS]; /* between the quotes */
	size_t nmodels;
	bool error;
	bool odd_call; /* a call's name is a list or an object, which some clients take for a text */
	bool marked; /* it says more than its texts */
	const struct usage_counts *usage;
	bool counts; /* a member that is not null may count tokens (usage_key_counts()) */
	/* What a stream says where it is asked for its usage (dialect_ask_usage()): a null in
	 * each event, and an event of its own without choices. What else says usage would say
	 * it unasked. */
	struct answer_hidden {
		struct answer_range at; /* of the member, with one comma; empty: it has none */
		bool first;		/* of the document's */
		bool counts;		/* it says counts */
		bool no_choices;
	} hidden;
	/* Channels that go on no more after it. */
	struct answer_ends {
		bool any, all;
		uint64_t choices;	     /* bit by slot[0], below 64 */
		bool numbered[ANSWER_SLOTS]; /* otherwise: those with the event's own numbers */
		uint32_t slot[ANSWER_SLOTS];
	} ends;
	size_t opaque_bytes, sealed_bytes;
	unsigned media; /* bit by enum answer_media */
};

/* `f`: NULL: its usage alone. `counts`: whose rows count that; NULL: nobody's. `event`: the type that the framing
 * gave, empty where it gave none. Views of `json` and the arena. 0; ERR_NOMEM; the parser's
 * error, with *why. A document that is no object or array has one text or none. */
int answer_read(const struct answer_format *f, const struct dialect *counts, struct span event,
	struct span json, struct arena *a, struct answer_document *out, const char **why);
/* What formats have for words, ids and times: letters and digits without blanks, and not digits
 * alone. */
bool answer_is_word(struct span s);
/* Whether a channel of these numbers ends with the event. */
bool answer_ends(const struct answer_document *d, const uint32_t slot[ANSWER_SLOTS]);

#endif
