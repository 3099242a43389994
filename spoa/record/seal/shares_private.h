/* clang-format off */
/* Shared by shares.c (the table, erasure) and shares_file.c (the files, their lines, the
 * journal).
 *
 * A line has words separated by a space. The last word is the beginning of the SHA-256 of the
 * text before it, 8 hexadecimal digits. The first line:
 *   tollgate-shares-v1 NODE         (JOURNAL.texts.head: tollgate-texts-head-v1 NODE)
 * then, in any order:
 *   share NUMBER KEY HOLDER         64 hexadecimal digits; base64
 *   erasing NUMBER TIME PSEUDONYM   erased, and no record states it yet
 *   erased NUMBER TIME
 *   lost FROM TO                    numbers that were given and are not in this file
 *   erasure NAME SERIAL             an erasure that was carried out
 *   forgotten NAME SERIAL           caches have forgotten that person, too
 *   journal SEQ                     head only: the file knows all erasures that the journal
 *                                   records up to this record
 *   given NUMBER                    head only, at its end: the last number that was given
 * The head also lists the erased shares, so that an older file cannot restore them.
 * Everything after the number of an erased share is overwritten with x. A power cut may
 * interrupt that; the next start finishes it. The overwritten line stays: the file only
 * grows. */
/* clang-format on
 *
 * prose: ok long */
#ifndef RECORD_SEAL_SHARES_PRIVATE_H
#define RECORD_SEAL_SHARES_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "record/seal/shares.h"

#define SHARE_NUMBER_MAX ((UINT64_C(1) << 53) - 1)
#define ERASURE_NAME_MAX 64
/* shares that are searched under one hold of the lock, which delays new shares */
#define SHARES_AT_ONCE	  1024
#define SHARES_FILE_FIRST "tollgate-shares-v1"
#define SHARES_HEAD_FIRST "tollgate-texts-head-v1"

/* A share. The holder follows. */
struct share_entry {
	struct share_entry *next; /* the next entry of the same bucket */
	uint64_t hash, number;
	uint64_t at; /* offset of its line in the file; guarded by io */
	unsigned char key[SHARE_BYTES];
	uint16_t n;
	char holder[];
};

struct erased_share {
	uint64_t number;
	int64_t at_ns;			   /* ns; whole seconds in the file */
	char pseudonym[PSEUDONYM_LEN + 1]; /* "": a durable record names it */
	int64_t said; /* serial of the erasure whose record will name it; 0: none yet */
};

/* Numbers that were given and are in no file, both inclusive. */
struct lost_shares {
	uint64_t from, to;
};

/* The erasures of one name (gate/changes) that were carried out. */
struct erasure {
	char name[ERASURE_NAME_MAX + 1];
	int64_t serial;	   /* serial of the last erasure that was carried out; 0: none */
	int64_t forgotten; /* serial of the last erasure that caches have forgotten; 0: none */
};

/* Bytes of the file that must be overwritten. */
struct share_bytes {
	uint64_t at, n;
};

struct shares {
	/* Guarded by `lock`: */
	pthread_rwlock_t lock;
	uint64_t seed;
	struct share_entry **bucket; /* an array of nbuckets lists; nbuckets is a power of two */
	size_t nbuckets;
	struct share_entry **entry; /* by ascending number */
	size_t n, room;
	struct erased_share *erased; /* by ascending number */
	size_t nerased, erased_room;
	struct lost_shares *lost; /* by ascending number; ranges do not touch */
	size_t nlost, lost_room;
	struct erasure *erasure;
	size_t nerasures, erasures_room;
	uint64_t given;	       /* the last number that was given */
	_Atomic uint64_t last; /* the last number, for readers without the lock */
	_Atomic uint64_t erasures;

	/* Guarded by `io`, which is taken before `lock`: */
	pthread_mutex_t io;
	char *file, *head, *node; /* head NULL: opened for reading only */
	int fd;
	uint64_t end;		  /* end of its durable lines, bytes */
	_Atomic uint64_t written; /* the last number in the file */
	uint64_t head_given;	  /* the last number according to JOURNAL.texts.head */
	struct share_bytes *gone; /* must be overwritten */
	size_t ngone, gone_room;
	bool erasing_due; /* the file does not list yet which shares are being erased */
	/* the file lacks some line that is not a share; all such lines are appended again */
	bool notes_due;
	bool has_tail;	   /* there may be bytes after `end` */
	atomic_bool stale; /* shares_overwrite() has something to do */
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

/* Adds a share that a line describes. Returns 0, ERR_DUPLICATE (its number or holder exists),
 * ERR_NOMEM or ERR_FULL. */
int shares_add(struct shares *s, uint64_t number, const unsigned char key[SHARE_BYTES],
	struct span holder, uint64_t at);
bool shares_is_erased(const struct shares *s, uint64_t number);
bool shares_is_lost(const struct shares *s, uint64_t number);
/* These three return false if memory is exhausted. */
bool shares_note_erased(struct shares *s, const struct erased_share *e);
bool shares_note_erasure(struct shares *s, struct span name, int64_t serial, int64_t forgotten);
bool shares_note_lost(struct shares *s, uint64_t from, uint64_t to);

/* Erases the shares with these pseudonyms, sorted by strcmp(), whose record is in the
 * journal. *erased is their number. Results as for shares_erase(). */
int shares_erase_again(struct shares *s, const char (*pseudonym)[PSEUDONYM_LEN + 1], size_t n,
	int64_t now_ns, size_t *erased);

/* ---- shares_file.c ---- */

/* Append the line of an erased share, and those of an erasure that was carried out. */
void share_erased_line(struct buf *b, const struct erased_share *e);
void share_erasure_line(struct buf *b, const struct erasure *e);
/* Returns the offset in a share's line at which its secret part begins. */
size_t share_line_secret(uint64_t number);
/* Returns the length of its line with the line end. */
size_t share_line_bytes(const struct share_entry *e);

/* ---- shares_file.c; the caller holds io ---- */

/* Appends the missing lines, overwrites the bytes in `gone`, and removes bytes after the end,
 * each durably. Does nothing if nothing of this is needed. Returns 0, or ERR_NOMEM, ERR_FULL
 * or ERR_IO with errno set; the call can be repeated. */
int shares_overwrite(struct shares *s);
/* Replaces JOURNAL.texts.head. Same results; *why may be NULL. */
int shares_write_head(struct shares *s, struct buf *why);
/* Appends lines durably. Same results. */
int shares_append(struct shares *s, struct buf *lines);

#endif
