/* Reads one JSON document of a response, which is a whole response or an event's payload, as
 * texts of channels. The parser is strict. Results are in the order of the bytes, and live in
 * the caller's arena. */
#ifndef ANSWER_DOCUMENT_H
#define ANSWER_DOCUMENT_H

#include <stdint.h>

#include "answer/format.h"
#include "scan/dialect/usage.h"

/* A text of the document. Offsets are bytes of the document. */
struct answer_text {
	enum answer_kind kind;
	bool copy;
	bool number; /* a number, not a string; its replacement is written as a string */
	bool key;    /* a key of an object in a tool's arguments */
	bool deep;   /* a string inside a tool's arguments that are a JSON value */
	bool piece;  /* a piece of a value in a call's arguments, distinguished by its path */
	bool last;   /* the piece is the last one of its value */
	bool so_far; /* in a stream the text may repeat all text so far */
	bool halves; /* contains an unpaired half of a surrogate pair (base/utf8.h) */
	/* not spoken text: a name, a key, or a value that is no word of the format */
	bool aside;
	bool identifier; /* a name that clients and providers compare: it is never edited */
	/* A string that no row names. An equal `path` means the same member in another event,
	 * whatever its places in arrays. `worded`: its key suggests a word, id or time. */
	bool unnamed, worded;
	/* the format names all text that is shown, so this string may be part of a call */
	bool strict;
	/* the text is an argument of a call whose type names this tool, such as a shell's;
	 * 0: of no such call */
	uint8_t tool; /* enum answer_own_tool */
	/* the meaning of the list with this string, set by guard/; 0: no command */
	uint8_t list; /* enum command_list */
	uint64_t path;
	uint32_t slot[ANSWER_SLOTS];
	size_t start, end; /* between the quotes */
	struct span text;  /* decoded */
	struct span member; /* `deep`: the name of the member, or of the list's member */
};

/* The name of a called tool. */
struct answer_call {
	struct span name;
	uint32_t slot[ANSWER_SLOTS];
	size_t object; /* number of the object that contains the name */
};

/* A range of bytes of the document. */
struct answer_range {
	size_t start, end;
};

/* The arguments of a call that are a JSON value, exactly as they came. */
struct answer_input {
	uint32_t slot[ANSWER_SLOTS];
	size_t object; /* number of the object, as in struct answer_call */
	struct span json;
};

/* A string that the provider sealed, between its quotes. */
struct answer_seal {
	uint32_t slot[ANSWER_SLOTS];
	struct answer_range at;
};

/* A word or number in a place in which the format has words, ids and times. Nothing is derived
 * from it, nor from another word or number in its place (event_template.h). `at` is between the
 * quotes of a word. */
enum { ANSWER_SKIPPED = 8 };
struct answer_skipped {
	struct answer_range at;
	bool number;
};

/* places of the model's name that are kept */
enum { ANSWER_MODELS = 4 };

enum answer_media { MEDIA_IMAGE, MEDIA_AUDIO, MEDIA_VIDEO, MEDIA_FILE, MEDIA_UNKNOWN, MEDIAS };
extern const char *const answer_media_names[MEDIAS];
/* Returns the medium of a media type such as image/png. */
enum answer_media answer_media_of(struct span type);

/* The result of answer_read(). All lists are in the caller's arena. */
struct answer_document {
	struct span type; /* type of the event; empty: none */
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
	/* the first ANSWER_SKIPPED; more are not kept */
	struct answer_skipped skipped[ANSWER_SKIPPED];
	size_t nskipped;
	struct span finish; /* empty: none */
	struct span model;
	/* between the quotes; the first ANSWER_MODELS */
	struct answer_range models[ANSWER_MODELS];
	size_t nmodels;
	struct answer_range sequence; /* the event's number in the stream; empty: none */
	bool error;
	/* the name of a call is a list or object, which some clients convert to a string */
	bool odd_call;
	bool marked; /* the document has content besides its texts */
	const struct usage_counts *usage;
	bool counts; /* a member that is not null may count tokens (usage_key_counts()) */
	/* The member `usage` that a stream has only because the gateway requested it
	 * (dialect_ask_usage()): null in each event, and the counts in an extra event without
	 * choices. Usage anywhere else would be sent without the gateway's request too, so it
	 * is not hidden. */
	struct answer_hidden {
		struct answer_range at; /* the member, with one comma; empty: none */
		bool first;		/* the first member of the document */
		bool counts;		/* the member is an object with counts */
		bool no_choices;
	} hidden;
	/* Channels that end with this event. */
	struct answer_ends {
		bool any, all;
		/* bit N: the choice with slot[0] equal to N, below 64 */
		uint64_t choices;
		/* if `all` is false: the channels with these numbers end */
		bool numbered[ANSWER_SLOTS];
		uint32_t slot[ANSWER_SLOTS];
	} ends;
	size_t opaque_bytes, sealed_bytes;
	unsigned media; /* bit N: enum answer_media N */
};

/* Reads `json` into *out. `f` NULL: reads only the usage. `counts` is the dialect whose rows
 * count usage; NULL: none is counted. `event` is the type that the framing states, or empty.
 * Results borrow from `json`, `event` and the arena. A document that is neither object nor
 * array has one text or none. Returns 0, ERR_NOMEM, or the parser's error with the reason in
 * *why. */
int answer_read(const struct answer_format *f, const struct dialect *counts, struct span event,
	struct span json, struct arena *a, struct answer_document *out, const char **why);
/* Returns true if the string looks like a word, id or time of a format: at most 256 letters,
 * digits and a few signs, without spaces, and not a long number. */
bool answer_is_word(struct span s);
/* Returns true if the event ends a channel with these numbers. */
bool answer_ends(const struct answer_document *d, const uint32_t slot[ANSWER_SLOTS]);

#endif
