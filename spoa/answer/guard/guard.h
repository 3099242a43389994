/* Handles a response on its way to the caller: the guard reads the response by its format,
 * meters and inspects it, redacts it by the policy's rules with `phase: response`, and restores
 * placeholders.
 *
 * The steps, in this order: inspect the provider's content, ask the rules, replace what the
 * rules name, restore the request's placeholders. A response that is not a stream is kept until
 * its end. A stream passes event by event, and a byte waits only while a value may have begun.
 * owner: worker, one per exchange; only guard_stop() may be called by any thread. */
#ifndef ANSWER_GUARD_GUARD_H
#define ANSWER_GUARD_GUARD_H

#include "answer/format.h"
#include "answer/restore.h"
#include "answer/translate/answer.h"
#include "base/sha256.h"
#include "policy/effect.h"
#include "policy/verdict/tool_filter.h"
#include "scan/detect/detect.h"
#include "scan/dialect/dialect.h"
#include "scan/dialect/owned.h"
#include "scan/dialect/urls.h"
#include "scan/mcp/refusal.h"

/* How to handle messages of an MCP server, on a route of that dialect. */
struct guard_messages {
	bool is;      /* the response has MCP messages */
	bool listens; /* the server listens (subscriptions/listen): the response lasts */
	/* a message, or a stream of messages, is expected; else a body has no meaning */
	bool awaited;
	/* Entries of lists are filtered by the rules of `asked` with `phase: tool`, and by
	 * `state` as in struct tool_filter. A response in which lists cannot be found is not
	 * sent. */
	bool filters;
	struct span server; /* the provider's name */
	enum tool_state (*state)(
		void *arg, struct span method, struct span name, struct span entry);
	void *arg;
	/* Replacements by such rules: `own` in the response to the request with this id (as it
	 * is written), `others` in responses to other requests. NULL: none. */
	struct span id;
	const struct tool_redacts *own, *others;
	struct span tool; /* the server's description of the called tool; "": unknown */
};

/* The configuration of a guard. Everything is borrowed and must outlive the guard. */
struct guard_plan {
	const struct answer_format *format;
	const struct dialect *dialect; /* reads usage, and writes errors */
	const struct translate_plan
		/* how to translate to the caller's form; NULL: the form stays */
		*translate;
	const char *endpoint; /* the endpoint's name in the dialect, or NULL */
	struct span rpc_ids;  /* dialect_rpc_ids() of the request */
	/* dialect mcp: how a denial begins; NULL: another dialect */
	const struct mcp_refusal *mcp;
	struct guard_messages messages;
	struct span path; /* path of the request; some responses are streams by their path */
	/* we requested the stream's usage, so the caller does not receive it */
	bool hide_usage;
	/* The caller's name of the model, which replaces the name in the response and needs no
	 * escapes. NULL: the provider's name stays. */
	const char *alias;
	/* URLs of the provider in the response become URLs of the gateway; NULL: they stay */
	const struct url_lead *lead;
	bool usage_first; /* the head of a whole JSON response waits for usage */
	/* Rules that inspect names for records. NULL: names are not inspected. */
	const struct detect_rules *rules;
	struct detect_scratch *scratch;
	bool inspects; /* texts are inspected too, with the members below */
	const struct policy *policy;
	struct detect_options options;
	const struct answer_request *asked;
	/* A second policy that is asked for comparison only; NULL: none. */
	const struct policy *shadow;
	const struct answer_request *shadow_asked;
	bool reads_calls; /* a rule reads the tool calls */
	bool hears;	  /* a rule reads response.speech: guard_sounds() */
	/* Asks the limits about a call that the rules permitted. Returns NULL and counts the
	 * call, or returns why the call is denied. NULL: limits are not asked. */
	const char *(*may_call)(void *arg, struct span name);
	void *may_call_arg;
	bool scores;				/* a rule reads the injection score */
	enum signed_reasoning signed_reasoning; /* on_failure.signed */
	enum outcome unread; /* on_failure.classifier, by the request's content */
	/* by the response's content; NULL: not by content */
	const struct on_failure *on_failure;
	const unsigned char *hash_key; /* STYLE_KEY_BYTES bytes; NULL: none */
	bool plain_form;	       /* redactor_plain_form() */
	/* The response is a list of models: returns true for a model that the caller may see.
	 * NULL: the response is no such list. */
	bool (*may_use)(void *arg, struct span model, struct arena *a);
	void *may_use_arg;
	bool card; /* the response describes one model, which the caller knows as `alias` */
	const struct route *aliases; /* aliases to add to a list of models */
	size_t naliases;
	const struct vault *vault; /* placeholders to restore; NULL: none */
	/* rows of tools, with the use of their arguments (policy/tools.h) */
	const struct tool_row *tools;
	size_t ntools;
	/* The part of the texts that is kept for the record, and the key of its hashes. */
	enum guard_keeps { GUARD_KEEPS_NOTHING, GUARD_KEEPS_HASH, GUARD_KEEPS_TEXT } keeps;
	const unsigned char *keep_key; /* 32 bytes */
	/* The bytes that guard_copied() returns: none; the decoded bytes from the provider; or
	 * the bytes that are sent, in the provider's form. */
	enum guard_copies { GUARD_COPIES_NOTHING, GUARD_COPIES_CAME, GUARD_COPIES_WENT } copies;
	/* with GUARD_KEEPS_TEXT: texts are kept as the provider sent them */
	bool keeps_raw;
	bool taps;	 /* the provider's bytes are kept: guard_tapped() */
	bool notes_made; /* things that the response creates at its target are noted */
	/* spoken characters: the cost of a success without usage; 0: none */
	uint64_t characters;
};

/* The head of the response. */
struct guard_head {
	int status;
	struct span content_type;
	struct span content_encoding; /* "" or identity: not encoded */
	bool bodyless;		      /* only its fields are read */
	/* Token counts in the head of Bedrock's invoke, which count if the body has none. "":
	 * none. */
	struct span input_tokens, output_tokens;
	struct span service; /* Gemini's name of the service tier; "": none */
};

/* Results of the guard. After any result but GUARD_PASS nothing more is sent. */
enum guard_result {
	GUARD_PASS = 0,
	GUARD_DENIED,  /* a rule denied it: guard_report() has the verdict */
	GUARD_UNREAD,  /* it could not be inspected, and the policy denies that */
	GUARD_BROKEN,  /* the provider's framing or JSON is invalid */
	GUARD_FOREIGN, /* it is not of the route's dialect: a web page, an older transport */
	GUARD_CUT,     /* the stream ended without its dialect's end */
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

/* A call in the response, with the latest verdict on it. At most GUARD_CALLS, in the guard's
 * memory. */
struct guard_called {
	uint32_t slot[ANSWER_SLOTS];
	struct span named;	     /* name of the tool, as the provider wrote it */
	char name[GUARD_NAME_BYTES]; /* the name as records may have it; "": none */
	uint64_t bytes;		     /* size of its arguments */
	/* the beginning of arguments that name another tool; see guard_called_wraps() */
	struct buf wraps;
	/* hash of the arguments with the plan's keep_key: guard_called_hash() */
	struct sha256 hash;
	bool whole;    /* the call is complete: no further name or argument can be added */
	bool expected; /* the call was judged and passed on, so the guard will read it again */
	/* Set if the call was passed on: its name, and the arguments that were sent. The call
	 * that is read later in its place may be another one. */
	bool let_go;
	struct span went_name;
	bool went_any; /* any arguments were permitted */
	uint64_t went_bytes;
	unsigned char went[SHA256_BYTES];
	bool empty;  /* a stream's value that is {}: arguments may follow */
	/* of a call whose type names the tool: one more than the number of the event with the item
	 * that counts; UINT64_MAX: its texts arrived in pieces; 0: none yet */
	uint64_t item_at;
	/* placeholders that stay in its arguments, by reason; of a call that was denied, those
	 * that would stay */
	uint32_t left[LEFT_REASONS];
	bool judged; /* rules with `phase: tool` judged it */
	/* without tags; the trace is in `outcomes`, one letter per rule */
	struct rule_outcome ruled;
	char *outcomes;
	/* tool.origins as JSON, if a rule read it; empty: none did, or it is too long */
	struct span origins;
};

/* Results for the completion record and the metrics. Views are valid as long as the guard. */
struct guard_report {
	bool inspected, streamed;
	struct usage usage;
	char finish[32], model[96];
	const char *tools[GUARD_TOOLS]; /* names */
	size_t ntools;
	const struct guard_called *called; /* in the order of their arrival */
	size_t ncalled;
	uint64_t called_over; /* calls beyond GUARD_CALLS */
	bool holds_calls;     /* each call was judged before it was sent */
	struct guard_count {
		uint16_t entity;
		uint32_t n;
	} found[GUARD_ENTITIES];
	size_t nfound;
	size_t redactions, restorations;
	size_t left_in_urls; /* placeholders not restored, because they are in URLs */
	/* placeholders not restored, because the vault does not have them */
	size_t unresolved;
	/* placeholders that stay in arguments of calls, by reason */
	uint64_t left_in_calls[LEFT_REASONS];
	/* blocks of reasoning that were cut off with their signatures */
	size_t signed_dropped;
	size_t tools_hidden;   /* entries removed from MCP lists */
	unsigned losses;       /* losses of the translation: bit N is enum translate_loss N */
	uint64_t text_bytes;   /* bytes of texts that were read */
	uint64_t output_bytes; /* bytes of texts and tool names, with each text counted once */
	/* the part of output_bytes before the stream's last count of output tokens */
	uint64_t counted_bytes;
	struct span heard; /* texts of a whole response up to 64 KB, each followed by a NUL */
	bool blind;	   /* a part could not be read by its format */
	uint64_t unread_bytes;	/* bytes sent uninspected */
	const char *unread_why; /* the first reason; NULL: none */
	bool overworked;	/* a text took more work than its length permits */
	/* bytes of members that no row names and that were not followed over events, because
	 * too many were. Each such member was inspected within its event. */
	uint64_t apart_bytes;
	uint64_t opaque_bytes, sealed_bytes;
	double injection;
	/* if plan.notes_made is set: the last OWNED_MAX things that the response created */
	struct made_thing made[OWNED_MAX];
	size_t nmade;
	bool provider_error; /* the response is an error */
	bool content;	     /* has text, reasoning or a call */
	bool refused;	     /* has a refusal, in formats with a member for it */
	bool ended;	     /* the stream's end, by its dialect, arrived */
	/* The document of the error, or the data of a stream's first error, cut to
	 * GUARD_ERROR_MAX; and the error's type in the framing. */
	struct span error, error_type;
	uint64_t events, held_max_bytes;
	/* Bytes that could have been held back, and the sum of each held byte's time in µs. */
	uint64_t held_of_bytes, held_byte_us;
	uint64_t first_text_us; /* monotonic µs; 0: no text yet */
	/* the last verdict; before the first one, its effect is RULE_PERMIT */
	struct answer_verdict verdict;
	bool judged;
	struct guard_sum { /* all verdicts on the response together */
		bool any;
		struct rule_outcome
			ruled; /* the strongest effects with their rules; no trace */
		struct redactions *redact; /* NULL: none */
		struct entity_set classes_hit;
	} sum, shadow; /* verdicts of the plan's second policy */
	/* The facts that were judged, and when. Arguments of calls are valid until the next
	 * guard_feed(). */
	const struct answer_facts *facts;
	enum answer_when when;
	const char *why; /* a fixed phrase, if the result is not GUARD_PASS */
};

struct guard; /* opaque */

/* Returns a new guard, or NULL if memory is out. Copies *plan and the head. */
struct guard *guard_new(const struct guard_plan *plan, const struct guard_head *head);
/* Frees `*g`, which may be NULL, and sets it to NULL. */
void guard_drop(struct guard **g);
/* States that the input is complete without an end, as an event of a session outside of a
 * response. */
void guard_stands_alone(struct guard *g);
struct http_field;
/* Replaces findings in the values of the head's fields. Call once, before all other functions.
 * The new values are valid as long as the guard. After a result other than GUARD_PASS nothing
 * may be sent. */
enum guard_result guard_fields(struct guard *g, struct http_field *v, size_t n);
/* Returns true if nothing of the response, its head included, may be sent before
 * guard_end(). */
bool guard_withholds(const struct guard *g);
/* States that the response need not wait for its usage. Returns false if it waits for other
 * reasons. */
bool guard_let_go(struct guard *g);
/* Returns true if the output may differ in length from the input. */
bool guard_edits(const struct guard *g);
/* Returns the media type of a translated response; NULL: the type stays. */
const char *guard_media_type(const struct guard *g);
/* Returns true if n more bytes are too much work for a worker. Then a helper thread should call
 * guard_feed() and guard_end(). */
bool guard_is_long(const struct guard *g, size_t n);
/* Sets the scratch memory of the thread that uses the guard from now on. */
void guard_lend(struct guard *g, struct detect_scratch *scratch);
/* States that nobody waits for the response: the work in progress ends soon, and nothing is
 * sent. Any thread. */
void guard_stop(struct guard *g);
/* Returns true after guard_stop(). The argument is a guard; for effort_watch(). */
bool guard_is_stopped(const void *guard);
/* Returns the number of a stream's bytes that are held back. */
size_t guard_held(const struct guard *g);
/* Reads bytes and appends to *out what may be sent now. After a result other than GUARD_PASS
 * nothing more is sent. */
enum guard_result guard_feed(struct guard *g, struct span bytes, struct buf *out);
/* Ends the response properly and appends the rest to *out. Returns as guard_feed(). */
enum guard_result guard_end(struct guard *g, struct buf *out);
/* Appends the event that ends a stream which has begun: the dialect's error in the stream's
 * framing. Bytes held back are not sent. `half`: the last byte that was sent did not end a
 * line. */
void guard_say_error(struct guard *g, const char *code, struct span message, struct span id,
	bool half, struct buf *out);
/* plan.hears: returns the number of sounds of a response that has arrived whole, and the sounds in
 * *out, in the guard's memory. 0: none, or they were returned before. guard_speech_told() must
 * follow before guard_end(): `text` is NULL if `why`, a constant, states why there is no
 * transcript; why NULL with text NULL: the sounds pass unheard. `words` of response.speech. */
size_t guard_sounds(struct guard *g, const struct span **out);
/* Returns true if guard_sounds() must be called before guard_end(). */
bool guard_hears(const struct guard *g);
void guard_speech_told(struct guard *g, const struct span *text, const struct span *words,
	size_t n, const char *why);
/* plan.copies: returns the bytes copied since guard_copied_clear(). */
struct span guard_copied(const struct guard *g);
void guard_copied_clear(struct guard *g);
/* plan.taps: returns all bytes fed, unchanged. Empty: the response was encoded or too long to
 * be kept. guard_framing() returns the stream's framing, enum frames_kind. */
struct span guard_tapped(const struct guard *g);
/* Returns true if guard_tapped() has no bytes. */
bool guard_untapped(const struct guard *g);
unsigned char guard_framing(const struct guard *g);
const struct guard_report *guard_report(const struct guard *g);
/* Returns the usage that the provider reported. Unknown if text followed the last count, as in
 * a stream that was cut, or if the count is 0 although there is text. */
struct usage guard_usage(const struct guard *g);

/* A run of the response's text, kept as the plan's `keeps` states. */
struct guard_transcript {
	enum answer_kind kind;
	uint32_t choice, part; /* numbers of its choice or block, and of the part in it */
	uint64_t bytes;	       /* as the provider sent it */
	unsigned char hmac[32];
	struct span text; /* redacted, without restored values; cut to the part that is kept */
};
/* Returns the keyed hash of the call's arguments. guard_called_text() returns the arguments in
 * the record's texts: redacted, or empty if none are kept. */
void guard_called_hash(
	const struct guard *g, const struct guard_called *c, unsigned char out[SHA256_BYTES]);
struct span guard_called_text(const struct guard *g, const struct guard_called *c);
/* Returns the name of the tool that the call's arguments name, if the policy's `tools` states
 * that they do (`arguments: call`), as records may have it. NULL: none, or the name is not in the
 * first 16 KB. In the guard's memory. */
const char *guard_called_wraps(struct guard *g, const struct guard_called *c);
/* Copies run i to *out. Returns false if there are no more. */
bool guard_transcript(const struct guard *g, size_t i, struct guard_transcript *out);
/* Returns true if a part of the texts was not kept. */
bool guard_transcript_cut(const struct guard *g);

/* guard_list.c: append a model of ours as an element of a list in the dialect, and a list of
 * such elements, which are separated by commas. */
void guard_list_model(const struct dialect *d, struct span name, struct buf *out);
void guard_list_models(const struct dialect *d, struct span elements, struct buf *out);

#endif
