/* clang-format off */
/* What shares.c (the table), shares_erase.c, shares_follow.c (the journal), shares_file.c (the
 * file) and shares_lines.c (its lines) share.
 *
 * A line is words, a blank between them; the last one is the begin of SHA-256 of what is before
 * it, 8 hexadecimal digits. The first line:
 *   tollgate-shares-v1 NODE         (of JOURNAL.texts.head: tollgate-texts-head-v1 NODE)
 * then, in any order:
 *   share NUMBER KEY HOLDER         64 hexadecimal digits; base64
 *   erasing NUMBER TIME PSEUDONYM   erased, and no record says so yet
 *   erased NUMBER TIME
 *   lost FROM TO                    numbers that were given, and are not in this file
 *   erasure NAME SERIAL             carried out here
 *   forgotten NAME SERIAL           caches have nothing of that person either
 *   journal SEQ                     of the head alone: the file knows all erasures that the
 *                                   journal has on record up to there
 *   given NUMBER                    of the head alone, at its end: the last that was given
 * The head has what was erased, too, so that an older file that comes back brings nothing back.
 * Everything after the number of an erased share becomes x. A power cut may leave that half done;
 * the next start finishes it. The crossed-out line stays: the file only grows. */
/* clang-format on */
#ifndef RECORD_SEAL_SHARES_PRIVATE_H
#define RECORD_SEAL_SHARES_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "record/seal/shares.h"

#define SHARE_NUMBER_MAX  ((UINT64_C(1) << 53) - 1)
#define ERASURE_NAME_MAX  64
#define SHARES_AT_ONCE	  1024 /* looked through: so long nobody makes one */
#define SHARES_FILE_FIRST "tollgate-shares-v1"
#define SHARES_HEAD_FIRST "tollgate-texts-head-v1"

struct share_entry {
	struct share_entry *next; /* of its bucket */
	uint64_t hash, number;
	uint64_t at; /* where its line begins in the file; io's */
	unsigned char key[SHARE_BYTES];
	uint16_t n;
	char holder[];
};

struct erased_share {
	uint64_t number;
	int64_t at_ns;			   /* whole seconds in the file */
	char pseudonym[PSEUDONYM_LEN + 1]; /* "": a durable record says it */
	int64_t said; /* the serial of the erasure whose record is to say it; 0: none yet */
};

struct lost_shares {
	uint64_t from, to;
};

struct erasure {
	char name[ERASURE_NAME_MAX + 1];
	int64_t serial,
		forgotten; /* of the last that was carried out, and that caches did; 0: none */
};

/* Bytes of the file that an erasure has to overwrite. */
struct share_bytes {
	uint64_t at, n;
};

struct shares {
	/* in memory: lock */
	pthread_rwlock_t lock;
	uint64_t seed;
	struct share_entry **bucket; /* nbuckets of them, a power of two */
	size_t nbuckets;
	struct share_entry **entry; /* by number, counted up */
	size_t n, room;
	struct erased_share *erased; /* by number */
	size_t nerased, erased_room;
	struct lost_shares *lost; /* by number, apart */
	size_t nlost, lost_room;
	struct erasure *erasure;
	size_t nerasures, erasures_room;
	uint64_t given;	       /* the last number that was given */
	_Atomic uint64_t last; /* the same, for who holds no lock */
	_Atomic uint64_t erasures;

	/* the files: io, which is taken before lock */
	pthread_mutex_t io;
	char *file, *head, *node; /* head NULL: for reading alone */
	int fd;
	uint64_t end;		  /* of its durable lines */
	_Atomic uint64_t written; /* the last number in it */
	uint64_t head_given;	  /* what JOURNAL.texts.head says */
	struct share_bytes *gone; /* to be overwritten */
	size_t ngone, gone_room;
	bool erasing_due; /* the file does not say yet which shares are being erased */
	bool notes_due; /* the file lacks some line that is not a share: all are appended again
			 */
	bool has_tail;	/* bytes may stand behind `end` */
	atomic_bool stale; /* something of this is to be done: shares_overwrite() */
	atomic_bool head_stale;
	_Atomic uint64_t seen; /* the journal's last record that the file knows; 0: none */
	atomic_bool follows;   /* shares_follow() has brought the file up to date */
};

static inline void
share_of_entry(const struct share_entry *e, struct share *out)
{
	memcpy(out->key, e->key, SHARE_BYTES);
	out->number = e->number;
}

/* ---- shares.c ---- */

/* Appends what a line says. 0; ERR_DUPLICATE: its number or its holder is there; ERR_NOMEM;
 * ERR_FULL. */
int shares_add(struct shares *s, uint64_t number, const unsigned char key[SHARE_BYTES],
	struct span holder, uint64_t at);
bool shares_is_erased(const struct shares *s, uint64_t number);
bool shares_is_lost(const struct shares *s, uint64_t number);
/* False: out of memory. */
bool shares_note_erased(struct shares *s, const struct erased_share *e);
bool shares_note_erasure(struct shares *s, struct span name, int64_t serial, int64_t forgotten);
bool shares_note_lost(struct shares *s, uint64_t from, uint64_t to);

/* ---- shares_erase.c ---- */

/* Erases the shares with these pseudonyms, sorted by strcmp(), of which the journal has the
 * record. *erased: how many. As shares_erase(). */
int shares_erase_again(struct shares *s, const char (*pseudonym)[PSEUDONYM_LEN + 1], size_t n,
	int64_t now_ns, size_t *erased);

/* ---- shares_lines.c ---- */

/* The line of an erased share, and those of an erasure that was carried out. */
void share_erased_line(struct buf *b, const struct erased_share *e);
void share_erasure_line(struct buf *b, const struct erasure *e);
/* Where what is secret in a share's line begins. */
size_t share_line_secret(uint64_t number);
/* Its length, with its end. */
size_t share_line_bytes(const struct share_entry *e);

/* ---- shares_file.c, io held ---- */

/* Appends the lines that are due, overwrites what is in `gone`, and removes a tail, each
 * durably. Does nothing if nothing of this is to be done. Returns 0, or ERR_NOMEM, ERR_FULL or
 * ERR_IO with errno set; the call can be repeated. */
int shares_overwrite(struct shares *s);
/* Replaces JOURNAL.texts.head. The same results; *why may be NULL. */
int shares_write_head(struct shares *s, struct buf *why);
/* Appends lines durably. The same results. */
int shares_append(struct shares *s, struct buf *lines);

#endif
