/* What the files of this folder share. */
#ifndef GATE_TOOLPINS_PRIVATE_H
#define GATE_TOOLPINS_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/caps.h"
#include "base/sha256.h"
#include "gate/toolpins/tool_pins.h"

enum { PIN_SLOTS = 2 * CAP_TOOL_PINS, PIN_NAME_MAX = 128, PIN_BY_MAX = 128, PIN_FIELD = 33 };

/* A canonical text, shared by what it is the text of. */
struct pin_text {
	unsigned refs;
	unsigned char hash[SHA256_BYTES];
	size_t n;
	char bytes[];
};

/* What a line says of a pin, and all that two daemons agree on. Joined (pin_join), the order
 * does not matter. */
struct pin_value {
	/* of the first text; wall. Of two that are settled the older one holds, and what is
	 * settled holds against what is not. */
	unsigned char first[SHA256_BYTES];
	int64_t first_ns;
	bool settled; /* Redis took it, or there is none */
	/* the later set holds: by serial, then time */
	unsigned char approved[CAP_TOOL_PIN_HASHES][SHA256_BYTES];
	size_t napproved;
	int64_t serial, approved_ns;
	char by[PIN_BY_MAX];
	/* listed last */
	unsigned char seen[SHA256_BYTES];
	int64_t seen_ns;
	/* of the first, of the one that was approved last, of the one listed last; NULL: not
	 * kept. One reference each. */
	struct pin_text *first_text, *approved_text, *seen_text;
};

struct pin {
	/* as long as the process */
	enum tool_pin_kind kind;
	unsigned server; /* place in tool_pins.server */
	size_t nname;
	uint64_t hash;
	char field[PIN_FIELD]; /* in Redis */
	/* without the lock: `raw` is the keyed hash of the bytes that were listed last, of
	 * which `state` is. Odd `seq`: they are being written. */
	_Atomic uint32_t seq;
	_Atomic uint64_t raw[2];
	_Atomic uint8_t state;
	_Atomic int64_t seen_ns; /* not older than v.seen_ns */
	/* with the lock */
	struct pin_value v;
	uint64_t said_us; /* log line; 0: never */
	/* what is not on disk or in Redis yet */
	struct pin *next; /* of the queue */
	bool queued, file_due, redis_due;
	bool soon;	  /* not only what is listed changed */
	uint64_t told_us; /* when it was last written; 0: never */
	uint8_t hurried;  /* times that this was at once */
	char name[];
};

struct pin_server {
	char *name;
	size_t n, text_bytes; /* with the lock */
	_Atomic bool full;
};

struct tool_pins {
	unsigned char raw_key[16], slot_key[16];
	_Atomic(struct pin *) *slot; /* PIN_SLOTS, open addressing */
	struct pin_server server[CAP_TOOL_PIN_SERVERS];
	_Atomic size_t nservers;
	_Atomic bool full; /* the table, or that of servers */
	_Atomic size_t n, changed;
	_Atomic uint64_t changes, refused, forged; /* counters */
	/* No disk and no Redis under it; workers take it where a text is another than before,
	 * and to read a description. */
	pthread_mutex_t lock;
	struct pin *queue, **queue_end;
	uint64_t puts; /* counts up with what is queued `soon` */
};

static inline struct span
pin_server_name(const struct tool_pins *p, const struct pin *pin)
{
	return span_str(p->server[pin->server].name);
}

static inline struct span
pin_name(const struct pin *pin)
{
	return span_of(pin->name, pin->nname);
}

struct pin *pin_find(const struct tool_pins *p, const struct tool_pin_of *of);
/* Its field of the hash in Redis. */
void pin_field(const struct tool_pin_of *of, char out[PIN_FIELD]);

/* ---- with the lock ---- */

/* The pin, or a new one that says nothing yet; NULL: no room, counted and said. */
struct pin *pin_make(struct tool_pins *p, const struct tool_pin_of *of, bool *made);
/* What v says is what workers read. */
void pin_publish(struct tool_pins *p, struct pin *pin);
void pin_enqueue(struct tool_pins *p, struct pin *pin, bool soon);
/* A text of that hash, if the server's share has room; else NULL. One reference. */
struct pin_text *pin_text_new(
	struct tool_pins *p, unsigned server, struct span text, const unsigned char *hash);
struct pin_text *pin_text_ref(struct pin_text *t);
void pin_text_drop(struct tool_pins *p, unsigned server, struct pin_text **t);
enum tool_state pin_value_state(const struct pin_value *v);
bool pin_approves(const struct pin_value *v, const unsigned char hash[SHA256_BYTES]);

/* ---- lines (line.c) ---- */

/* A hash as a text of JSON. */
struct json_t *pin_hex(const unsigned char hash[SHA256_BYTES]);

/* Appends the pin's line, without newline: JSON and HMAC. `settled`: as Redis is to have it.
 * With the lock. */
void pin_write(const struct tool_pins *p, const struct pin *pin, bool settled,
	const unsigned char key[SHA256_BYTES], struct buf *out);
/* Takes what a line says into the table, joined with what is there. `field`: where it was found
 * in Redis, empty: on disk. What is here and says more is queued, and what says the same is not
 * due in Redis any more. False with *why: it does not verify, or says what no pin can. Takes
 * the lock. */
bool pin_read(struct tool_pins *p, struct span line, struct span field,
	const unsigned char key[SHA256_BYTES], struct buf *why);
/* Which texts the pin keeps: of `known`, n of them, each one reference that is given away. With
 * the lock. */
void pin_texts(struct tool_pins *p, struct pin *pin, struct pin_text **known, size_t n);

#endif
