/* A request as it arrived, how it was read, and the findings in its segments: the parts of
 * struct request that are dropped when the relay takes the request over. */
#ifndef GATE_REQUEST_IN_H
#define GATE_REQUEST_IN_H

#include "base/caps.h"
#include "base/codec/http.h"
#include "base/sha256.h"
#include "gate/overlay.h"
#include "gate/sources/recognize.h"
#include "policy/effect.h"
#include "scan/text/inner.h"
#include "scan/text/marked.h"
#include "scan/text/named.h"
#include "scan/text/needles.h"

struct external_job;
struct file;
struct files_job;
struct mention_job;
struct placeholders;

/* step_external.c: one external recognizer's part in a decision. In the arena. */
struct recognition {
	const struct external *x;
	enum ask_outcome outcome; /* the worst result of its calls */
	/* the outcome that on_failure applied if the recognizer did not reply */
	enum outcome applied;
	size_t texts, cached; /* number of segments asked about; number of cached results */
	uint64_t us;	      /* time the calls took */
};

/* Messages of a WebSocket that were forwarded without a record of their own, because they only
 * add to a turn and had no findings. The session's next record lists them. owner: the session.
 */
struct messages_joined {
	struct message_joined {
		int64_t at_ns;
		size_t bytes;
		double injection;
		const char *rule;		  /* points into the policy; "": none matched */
		unsigned char hmac[SHA256_BYTES]; /* keyed hash of the message's bytes */
	} v[CAP_SOCKET_JOINED];
	size_t n;
	bool closed; /* audio or pictures arrived: the provider may respond without being asked
		      */
};

enum body_state {
	BODY_STATE_NONE,   /* the request certainly has none */
	BODY_STATE_WHOLE,  /* in.raw is the whole body */
	BODY_STATE_PARTIAL /* cut, chunked or without a length: the relay must read it */
};

/* The request as it arrived and as it was read. Borrows from the SPOE frame or the relay's
 * buffer, and from the arena: request_let_go() drops it in one assignment. owner: worker. */
struct request_in {
	struct http_head head;
	struct span src;	  /* the client's address as text */
	struct span certificate;  /* the client's certificate, DER; empty: none */
	bool certificate_refused; /* HAProxy could not verify it */
	bool ended;		  /* the end of the body was seen in the agent's frame */
	bool socket;		  /* a WebSocket handshake */
	/* A message of a WebSocket: MESSAGE_OF_TURN asks for a response, which costs;
	 * MESSAGE_ALONE only adds to a turn. */
	enum { NO_MESSAGE, MESSAGE_OF_TURN, MESSAGE_ALONE } message;
	/* A message that the gateway made of the sound of a session. HELD: the provider does not
	 * have the sound; HEARD: it has; WRITTEN: it has, and the body is its transcript */
	enum sound_state { SOUND_NONE, SOUND_HELD, SOUND_HEARD, SOUND_WRITTEN } sound;
	/* id of the session's handshake; model of the session */
	struct span session, session_model;
	struct messages_joined *joined; /* belongs to the session */
	/* the session's placeholders (placeholders_open()), which outlive the message; NULL:
	 * numbering is the message's own */
	struct placeholders *placeholders;
	/* property names of the schemas in earlier messages of the session; NULL: no session */
	const struct known_names *names;
	struct message_refusal {
		int status; /* 0: not refused */
		const char *code, *why;
	} refused;	    /* a reason to refuse the message whatever it contains */
	bool trailers;	    /* trailers may follow the body */
	struct span prefix; /* the received part of a body that may not be whole */
	struct span host;   /* lower case, without port */
	/* origin of the page that sent the request, if HAProxy's list has it */
	struct span origin;
	bool origin_told; /* HAProxy's file reports whether its list has the origin */
	/* the caller's connection to HAProxy has no TLS; false also if HAProxy's file does not
	 * report it */
	bool plain;
	struct span coding;	 /* Content-Encoding unless it is identity */
	int64_t declared_length; /* Content-Length in bytes; -1: none */
	enum body_state body_state;
	struct span body_raw; /* the body as it arrived, possibly compressed */
	struct span raw;      /* the body after decompression */
	struct body body;
	bool have_body;	      /* `body` is valid */
	bool unreadable;      /* uninspected, and permitted by on_failure.unreadable */
	struct unread unread; /* uninspected parts of target and body */
	struct span *media;   /* the condition prompt.media */
	size_t nmedia, media_room;
	/* indexed by the media number of a segment; NULL: no files (gate/files) */
	struct file *files;
	size_t nfiles;
	/* for each segment of the body: 1 + index of the file that names or holds the segment;
	 * 0: none */
	uint32_t *file_of;
	size_t said_bytes;	/* bytes that tollgate-extract and transcribers returned */
	struct span *speech;	/* the condition prompt.speech */
	size_t nspeech, speech_room;
	int64_t speech_seconds; /* prompt.speech_seconds */
	bool sounds_measured;	/* all files are sounds, whose length was counted */
	bool macros;		/* prompt.macros */
	struct segment *target; /* segments of path and query */
	size_t ntarget;
	struct needles credentials; /* the verified credential, plain and encoded */
	/* the model in the body if another is sent; empty: the same */
	struct span asked_model;
	/* the model as it was read; body.model may be hidden or replaced */
	struct span read_model;
	struct span conversation; /* the conversation's id in the body */
};

/* The findings in the segments. All hits point into the segments of `in` and are dropped with
 * them. owner: worker, or the helper thread while WAIT_HELPER. */
struct request_scan {
	struct hit *hits;
	size_t nhits, hits_size;       /* used, allocated */
	size_t target_done, body_done; /* segments searched so far */
	/* in the current segment: begin of the next window, end of the last finding */
	size_t from, end;
	/* from this offset the next window's findings count; end of the last finding seen */
	size_t keep, seen;
	/* Findings that only the joined texts of a run have, in the order of classification; they
	 * may overlap those in `hits`. `borders`: the search for them; in the arena */
	struct hit *border;
	size_t nborder, border_size;
	struct border_job *borders;
	/* a credential lies over a border of parts, where it cannot be replaced */
	bool credential_over_border;
	struct inner inner; /* the current segment parsed as JSON, if it is JSON */
	struct marked marked; /* the last block of a client's marks that was read */
	struct named named;   /* the last segment whose identifiers were read */
	/* the columns of a segment of several windows; NULL: one window */
	struct column_table *table;
	/* hashes of the segments' texts, those of the target first; in the arena */
	struct memo_text *texts;
	size_t ntexts;
	/* segments that could not be searched, for on_failure.classifier: redact */
	const struct segment **failed;
	size_t nfailed, failed_size;
	struct files_job *files;  /* the job that reads files; NULL: no job runs */
	struct external_job *job; /* the job that asks recognizers; NULL: no job runs */
	struct hit *extra;	  /* recognizers' findings, in the order of classification */
	size_t nextra;
	/* while other occurrences of found values are searched; else NULL */
	struct mention_job *mentions;
	/* parts to redact, with further occurrences; `hits` is from malloc */
	struct overlay overlay;
	struct recognition *recognitions;
	size_t nrecognitions;
};

#endif
