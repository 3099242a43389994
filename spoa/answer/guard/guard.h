/* What is done with an answer on its way to the caller: it is read in the words of its
 * format, metered, inspected, redacted by the policy's rules of `phase: response`, and made
 * whole again where placeholders went out. Whole answers are kept until their end; streams
 * pass event by event, and a byte waits only where a value may have begun.
 *
 * In this order: what the provider sent is inspected, the rules speak, what they name is
 * replaced, placeholders of the request are put back. owner: worker, one an exchange. */
#ifndef ANSWER_GUARD_GUARD_H
#define ANSWER_GUARD_GUARD_H

#include "answer/format.h"
#include "answer/restore.h"
#include "answer/translate/answer.h"
#include "base/sha256.h"
#include "policy/verdict/tool_filter.h"
#include "scan/detect/detect.h"
#include "scan/dialect/dialect.h"
#include "scan/dialect/owned.h"
#include "scan/mcp/refusal.h"

/* What a server of MCP sends on a route of that dialect. */
struct guard_messages {
	bool is;      /* it is one of these */
	bool listens; /* it answers subscriptions/listen: it lasts */
	bool awaited; /* a message, or a stream of them, is to come: else a body means nothing
		       */
	/* Entries of lists are shown as the plan's policy says of `asked`: the rules of phase:
	 * tool, and `state`, which is as in struct tool_filter. An answer in which they cannot
	 * be found does not go. */
	bool filters;
	struct span server; /* the provider's name */
	enum tool_state (*state)(
		void *arg, struct span method, struct span name, struct span entry);
	void *arg;
	/* What such rules replace in the answer to the request of this id, as it is written,
	 * and in those to others. NULL: nothing */
	struct span id;
	const struct tool_redacts *own, *others;
	struct span tool; /* what the server says of the one that is called; "": not known */
};

/* All of it is borrowed, and lives as long as the guard. */
struct guard_plan {
	const struct answer_format *format;
	const struct dialect *dialect; /* for the usage, and for errors */
	const struct translate_plan
		*translate;	       /* into its caller's form; NULL: it goes as it is */
	const char *endpoint;	       /* its name in the dialect, or NULL */
	struct span rpc_ids;	       /* dialect_rpc_ids() of the request */
	const struct mcp_refusal *mcp; /* how its denial begins, of the dialect mcp; or NULL */
	struct guard_messages messages;
	struct span path;  /* of the request: some stream by it */
	bool hide_usage;   /* the stream's usage was asked for by us */
	const char *alias; /* what the caller calls the model, without need of escapes: the
			      answer says it; NULL: its own */
	bool usage_first;  /* of a whole answer in JSON: its head waits for it */
	/* What names in records are looked through by; NULL: they are not. */
	const struct detect_rules *rules;
	struct detect_scratch *scratch;
	bool inspects; /* so are texts, by the rest: */
	const struct policy *policy;
	struct detect_options options;
	const struct answer_request *asked;
	/* Another policy that is asked about the same, and not obeyed; NULL: none. */
	const struct policy *shadow;
	const struct answer_request *shadow_asked;
	bool reads_calls; /* a rule reads the tool calls */
	/* What limits say of a call that rules let go: NULL, and it is counted; or why it does
	 * not go. NULL: they are not asked */
	const char *(*may_call)(void *arg, struct span name);
	void *may_call_arg;
	bool scores;				/* a rule reads the injection score */
	enum signed_reasoning signed_reasoning; /* on_failure.signed */
	enum outcome unread; /* on_failure.classifier, by what the request held; */
	const struct on_failure *on_failure; /* by what the answer did: NULL: none of it */
	const unsigned char *hash_key;	     /* STYLE_KEY_BYTES; NULL: none */
	bool plain_form; /* redactor_plain_form() */
	/* The answer lists models: only those are shown of which it says yes; NULL: it does
	 * not. */
	bool (*may_use)(void *arg, struct span model, struct arena *a);
	void *may_use_arg;
	bool card; /* the answer is one model's, which the caller calls `alias` */
	const struct route *aliases; /* what such a list holds besides, by their names */
	size_t naliases;
	const struct vault *vault;  /* what is put back; NULL: nothing */
	const char *const *keeping; /* tools that keep what they get: next to a URL, too */
	size_t nkeeping;
	/* What is kept of the texts for the record, and the key of its hashes. */
	enum guard_keeps { GUARD_KEEPS_NOTHING, GUARD_KEEPS_HASH, GUARD_KEEPS_TEXT } keeps;
	const unsigned char *keep_key; /* 32 bytes */
	/* What is copied for guard_copied(): nothing; what the provider sent, unpacked; what is
	 * let go of that, in its form. */
	enum guard_copies { GUARD_COPIES_NOTHING, GUARD_COPIES_CAME, GUARD_COPIES_WENT } copies;
	bool keeps_raw;	     /* with GUARD_KEEPS_TEXT: texts as the provider sent them */
	bool taps;	     /* what the provider wrote is kept: guard_tapped() */
	bool notes_made;     /* what it makes that belongs to its target is noted */
	uint64_t characters; /* that are spoken: what a success costs that says nothing; or 0 */
};

/* The head of the answer. */
struct guard_head {
	int status;
	struct span content_type;
	struct span content_encoding; /* "" or identity: as it is */
	bool bodyless;		      /* its fields are all that is read */
	/* What Bedrock's invoke says of the tokens, whatever its body says; "": nothing. */
	struct span input_tokens, output_tokens;
	struct span service; /* Gemini's word for its service tier; "": none */
};

enum guard_result {
	GUARD_PASS = 0,
	GUARD_DENIED,  /* by a rule: guard_report() has the verdict */
	GUARD_UNREAD,  /* it cannot be inspected and the policy says deny */
	GUARD_BROKEN,  /* the provider's framing or JSON is none */
	GUARD_FOREIGN, /* it is no answer of the route's dialect: a page, an older transport */
	GUARD_CUT,     /* the stream ends without what its dialect has there */
	GUARD_NO_MEMORY,
	GUARD_STOPPED, /* guard_stop() */
};

#define GUARD_TOOLS	     32
#define GUARD_ENTITIES	     64
#define GUARD_TAGS	     64
#define GUARD_CALLS	     64
#define GUARD_NAME_BYTES     65
#define GUARD_HEARD_MAX	     (64 << 10)
#define GUARD_ERROR_MAX	     4096
#define GUARD_TAPPED_MAX     (256 << 10)
#define GUARD_ERROR_TYPE_MAX 128

/* A call that the answer makes: one entry each, as it was when it was last asked about. */
struct guard_called {
	uint32_t slot[ANSWER_SLOTS];
	struct span named;	     /* as the provider says it, */
	char name[GUARD_NAME_BYTES]; /* and as records may hold it; "": it has none */
	uint64_t bytes;		     /* of its arguments */
	struct sha256 hash; /* of them, under the plan's keep_key: guard_called_hash() */
	bool whole;	    /* nothing is added */
	bool expected;	    /* it was asked about, and goes on: it is read again */
	/* of such a one: its name and the arguments that go on. The call that is read in its
	 * place may be another one */
	bool let_go;
	struct span went_name;
	bool went_any; /* with whatever arguments */
	uint64_t went_bytes;
	unsigned char went[SHA256_BYTES];
	bool empty;		   /* a value of a stream that is {}: more may come after it */
	bool judged;		   /* by rules with phase: tool: */
	struct rule_outcome ruled; /* without tags, and the trace, which is a letter a rule: */
	char *outcomes;
};

/* For the completion record and the metrics. Views live as long as the guard. */
struct guard_report {
	bool inspected, streamed;
	struct usage usage;
	char finish[32], model[96];
	const char *tools[GUARD_TOOLS]; /* names */
	size_t ntools;
	const struct guard_called *called; /* as they were met */
	size_t ncalled;
	uint64_t called_over; /* calls that have no entry for want of room */
	bool holds_calls;     /* each was asked about before it went */
	struct guard_count {
		uint16_t entity;
		uint32_t n;
	} found[GUARD_ENTITIES];
	size_t nfound;
	size_t redactions, restorations;
	size_t left_in_urls;	/* placeholders that were not put back */
	size_t unresolved;	/* likewise, since nobody here was given them */
	size_t signed_dropped;	/* blocks of reasoning cut off with their signatures */
	size_t tools_hidden;	/* entries of MCP's lists that were cut out */
	unsigned losses;	/* in translation: bits, by enum translate_loss */
	uint64_t text_bytes;	/* of answers' texts, read */
	uint64_t output_bytes;	/* the same, what is said again once, and names of tools */
	uint64_t counted_bytes; /* of them: said before a stream's last count of the output */
	struct span heard; /* of a whole answer within 64 KB: these texts, after each a NUL */
	bool blind;	   /* some of it could not be read as what it is */
	uint64_t unread_bytes;	/* went out and were not looked at, */
	const char *unread_why; /* NULL, or the first reason */
	bool overworked;	/* a text took more work than its length allows */
	uint64_t apart_bytes;	/* of members that no row names, more than are followed: read
				   event by event */
	uint64_t opaque_bytes, sealed_bytes;
	double injection;
	/* of the plan's notes_made: the last of them */
	struct made_thing made[OWNED_MAX];
	size_t nmade;
	bool provider_error; /* it is an error document */
	bool content;	     /* text, reasoning or a call was said */
	bool refused;	     /* so was why nothing is, where a format has a member for that */
	bool ended;	     /* of a stream: what its dialect has at the end came */
	/* the document of an error, of a stream the data of its first one, as far as it is
	 * kept; and what the framing calls it */
	struct span error, error_type;
	uint64_t events, held_max_bytes;
	/* of what may be held: all, and each byte times how long it was */
	uint64_t held_of_bytes, held_byte_us;
	uint64_t first_text_us;	       /* monotonic; 0: no text yet */
	struct answer_verdict verdict; /* the last one; effect is RULE_PERMIT before any */
	bool judged;
	struct guard_sum { /* of all that was said of a stream, and not only last */
		bool any;
		struct rule_outcome
			ruled; /* the strongest effects, and their rules; no trace */
		struct redactions *redact; /* NULL: none */
		struct entity_set classes_hit;
	} sum, shadow; /* shadow: of the plan's other policy */
	/* of what it was said, and when; arguments of calls hold only until more is fed */
	const struct answer_facts *facts;
	enum answer_when when;
	const char *why; /* a fixed phrase for what is not GUARD_PASS */
};

struct guard; /* opaque */

/* NULL: out of memory. */
struct guard *guard_new(const struct guard_plan *plan, const struct guard_head *head);
void guard_drop(struct guard **g);
/* What it reads is whole, though no end is said: a session's event outside of any answer. */
void guard_stands_alone(struct guard *g);
struct http_field;
/* The head's fields, once and before all else: what is found in their values is replaced there,
 * as long as the guard lives. After anything but GUARD_PASS nothing goes. */
enum guard_result guard_fields(struct guard *g, struct http_field *v, size_t n);
/* True where nothing of the answer, its head included, may go before guard_end(). */
bool guard_withholds(const struct guard *g);
/* What waits only for the usage need not any more. False: it waits for more than that. */
bool guard_let_go(struct guard *g);
/* True where what comes out may be longer or shorter than what goes in. */
bool guard_edits(const struct guard *g);
/* What its head is to say it is, where it is translated; NULL: what it says. */
const char *guard_media_type(const struct guard *g);
/* True where n bytes more are more than a worker looks at itself: a helper thread may have the
 * guard for guard_feed() and guard_end(). */
bool guard_is_long(const struct guard *g, size_t n);
/* The scratch of the thread that has it from now on. */
void guard_lend(struct guard *g, struct detect_scratch *scratch);
/* Nobody waits for it any more: what is under way ends soon, and nothing more goes. Any thread.
 */
void guard_stop(struct guard *g);
/* Whether it was told so. For effort_watch(). */
bool guard_is_stopped(const void *guard);
/* Bytes of a stream that are kept for what follows. */
size_t guard_held(const struct guard *g);
/* Appends to *out what may go now. After anything but GUARD_PASS nothing more goes out. */
enum guard_result guard_feed(struct guard *g, struct span bytes, struct buf *out);
/* The answer ended whole: the rest. */
enum guard_result guard_end(struct guard *g, struct buf *out);
/* The event that ends a stream already begun: the dialect's error, framed as the stream is;
 * nothing of what is held. `half`: the last byte that went is no line's end. */
void guard_say_error(struct guard *g, const char *code, struct span message, struct span id,
	bool half, struct buf *out);
/* plan.copies: what was copied since it was last cleared. */
struct span guard_copied(const struct guard *g);
void guard_copied_clear(struct guard *g);
/* plan.taps: all that was fed, as it came; empty: it was encoded, or too long to be kept. And
 * the framing of a stream, enum frames_kind. */
struct span guard_tapped(const struct guard *g);
/* There will be none. */
bool guard_untapped(const struct guard *g);
unsigned char guard_framing(const struct guard *g);
const struct guard_report *guard_report(const struct guard *g);
/* What the provider says was used. Not known where text came after the last count (the stream
 * was cut), or where the count of a text is 0: it says less than what was made. */
struct usage guard_usage(const struct guard *g);

/* A run of the answer's text, as the plan's `keeps` has it. */
struct guard_transcript {
	enum answer_kind kind;
	uint32_t choice, part; /* numbers of its choice or block, and of what is in that */
	uint64_t bytes;	       /* as the provider sent it */
	unsigned char hmac[32];
	struct span text; /* redacted, nothing put back; as much as is kept */
};
/* The keyed hash of the call's arguments, and of these what the record's texts hold: redacted,
 * empty where none are kept. */
void guard_called_hash(
	const struct guard *g, const struct guard_called *c, unsigned char out[SHA256_BYTES]);
struct span guard_called_text(const struct guard *g, const struct guard_called *c);
/* Run i; false: there are no more. */
bool guard_transcript(const struct guard *g, size_t i, struct guard_transcript *out);
/* More was said than is kept of it. */
bool guard_transcript_cut(const struct guard *g);

/* guard_list.c: a model of ours as an element of a list in the dialect, and a list of such
 * elements, with commas between them. */
void guard_list_model(const struct dialect *d, struct span name, struct buf *out);
void guard_list_models(const struct dialect *d, struct span elements, struct buf *out);

#endif
