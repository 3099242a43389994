/* The index of a segment: which of its records have a term, without reading it. One file a
 * closed segment, JOURNAL.index/NAME.idx; made again where it is missing, stale or damaged, and
 * never trusted: what it names is read in the segment and compared by whoever asks.
 *
 * What is indexed are hits: a decision with the attempts and the completion that have its id in
 * the same segment, or one record of another type. A hit is a number from 0, in the order of
 * first records. The file is a header, then tables whose numbers are little-endian:
 *
 *   hits      time of the first record (8), its offset (6), flags (2), place in `more` (4) or
 * ~0 more      for hits of several records: how many, then the distance of each to the one
 * before terms     sorted by hash: hash (8), place in `postings` or, with the top bit, the only
 * hit (4) postings  how many hits, then the distance of each to the one before sums      of
 * each 16 KB block of the tables; the header has its own
 *
 * Numbers in `more` and `postings` are LEB128. */
#ifndef RECORD_INDEX_INDEX_H
#define RECORD_INDEX_INDEX_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "base/span.h"
#include "record/journal/journal.h"

#define INDEX_SUFFIX   ".index" /* of the journal's folder: where indexes are */
#define INDEX_NAME_MAX JOURNAL_NAME_MAX

/* What the index has to know of a line. */
struct index_record {
	uint64_t id; /* the term that its id is; 0: a hit of its own */
	uint64_t seq;
	int64_t time_ns;
	bool first;   /* a decision: where its hit begins */
	bool expects; /* and its end comes later */
	bool ends;    /* that end */
};

/* What is known of a line: read once for all that is made of it. */
enum { INDEX_PLACES = 48 };
struct index_line {
	struct span line;
	uint64_t offset;
	bool is_record; /* else the next three say nothing */
	struct index_record record;
	struct span time;
	uint64_t *hash; /* of each term that it has */
	size_t nhash, hash_room;
	struct span place[INDEX_PLACES]; /* of values, raw; which, only its readers know */
	bool no_memory;
};
void index_line_term(struct index_line *l, uint64_t hash);

/* How lines are read; the same for every index of a program. */
struct index_terms {
	uint64_t (*version)(void); /* an index of another one is stale */
	void (*read)(struct index_line *l); /* `line`: what it says */
};

/* A segment, a part of one, or another file of lines, open for reading. Offsets are from its
 * begin. */
struct index_segment {
	char name[INDEX_NAME_MAX]; /* of a part NAME@BEGIN */
	uint64_t bytes;
	int64_t mtime_ns; /* 0: not compared */
	void *arg;
	/* As pread(2), negative for an error. */
	long (*read)(void *arg, uint64_t offset, void *to, size_t n);
};

/* owner: one thread. */
struct index;

#define INDEX_FIRST 1 /* the hit begins with its decision */
#define INDEX_OPEN  2 /* and its end is in a later segment, or nowhere */
#define INDEX_ALONE 4 /* a record of another type */
/* The term that open hits have. */
#define INDEX_TERM_OPEN 1
struct index_hit {
	int64_t time_ns;
	unsigned flags;
	size_t n;	     /* records */
	uint64_t offset[64]; /* of the first 64 */
};

struct index_facts {
	uint32_t hits;
	uint64_t records, first_seq, last_seq;
	int64_t from_ns, to_ns; /* the earliest and latest time of a record */
	size_t bytes;
};

/* Reads all of the segment. NULL with *why. `stop` may be NULL; true: ends with an error. */
struct index *index_make(const struct index_segment *s, const struct index_terms *t,
	const atomic_bool *stop, struct buf *why);
/* The index in `dir` (JOURNAL.index). NULL with *why, which is empty where there is none:
 * damaged, of another segment, or of this one before it was changed. */
struct index *index_open(const char *dir, const struct index_segment *s,
	const struct index_terms *t, struct buf *why);
/* Writes it, under another name until it is whole; the folder is made (0700). 0, ERR_FULL,
 * ERR_IO with *why. */
int index_save(const struct index *ix, const char *dir, struct buf *why);
void index_free(struct index **ix);

void index_facts(const struct index *ix, struct index_facts *out);
/* A block that was read did not agree with its sum, or a table not with itself: what was got
 * since is not to be used. */
bool index_bad(const struct index *ix);
bool index_is_file(const struct index *ix); /* not just made */
/* Sets the bit of each hit that has the term. */
void index_mark(struct index *ix, uint64_t term, uint64_t *bits);
/* The first hit of a term from `*hit` on, such as an id's; false: none. */
bool index_find(struct index *ix, uint64_t term, uint32_t *hit);
/* False: no such hit, or index_bad. */
bool index_hit(struct index *ix, uint32_t hit, struct index_hit *out);

/* ---- files beside segments ---- */

enum { INDEX_VERSION_AT = 8 }; /* after the magic bytes */
/* What is made of a segment and kept in JOURNAL.index: its index, and whatever is like it. */
struct index_maker {
	const char *suffix; /* ".idx" */
	/* The version of the files that this program makes. A file has it at INDEX_VERSION_AT. */
	uint64_t (*version)(const struct index_terms *t);
	/* There is a sound file. */
	bool (*sound)(
		const struct index_segment *s, const char *dir, const struct index_terms *t);
	void *(*begin)(const struct index_terms *t); /* NULL: no memory */
	/* Each line, in order. False: no more of them to that one. */
	bool (*line)(void *making, const struct index_line *l);
	/* Frees; writes the file unless there is an error already. As index_beside. */
	int (*end)(void *making, const struct index_segment *s, const char *dir,
		const struct index_terms *t, int err, bool check, struct buf *why);
};
/* That of indexes. */
#define INDEX_FILES ".idx"
extern const struct index_maker index_maker;
/* All of a program's, that of indexes first. */
#define INDEX_MAKERS 2
struct index_makers {
	const struct index_terms *terms;
	const struct index_maker *of[INDEX_MAKERS];
};

/* Of a segment that is open, plain or compressed: all of it (bytes 0), or that part, what the
 * makers in `which` (bits) make. Nothing is made, and 0, where its end is still written to.
 * 0 (also: there is a sound one), or an error with *why. With `check` it is made
 * whatever there is, and compared: 0: the file said the same; ERR_NOTFOUND: there was
 * no sound one; ERR_AUTH: it was sound and said what its segment does not, or kept
 * silent about what it does. In both cases the file is what was made now. Any thread; `stop` as
 * above. */
int index_beside(const char *journal, const struct journal_segment *segment, uint64_t begin,
	uint64_t bytes, const struct index_makers *m, unsigned which, const atomic_bool *stop,
	bool check, struct buf *why);
/* The file of a segment, or of a part by its name, in `dir`. False: the name is too long. */
bool index_path(
	char *out, size_t size, const char *dir, const char *segment, const char *suffix);
/* Opens it to read, its name in *path for messages. -1: none is there, or it cannot be opened,
 * which *why says. */
int index_open_file(char *path, size_t size, const char *dir, const char *segment,
	const char *suffix, struct buf *why);
/* A number as these files have it: seven bits a byte, the low ones first. */
void index_put_number(struct buf *b, uint64_t v);
/* Writes a file of `dir` under another name until it is whole; the folder is made (0700). 0,
 * ERR_FULL, ERR_IO with *why. */
int index_write(const char *dir, const char *path, struct span bytes, struct buf *why);

/* The segment that is written to has its files in parts: whole lines, one after the other from
 * its begin, each of about INDEX_PART_BYTES. What comes after them has none. */
#define INDEX_PART_BYTES (4u << 20)
/* Makes an open segment this part of it. `bytes` 0: to its end. */
void index_part(struct index_segment *s, uint64_t begin, uint64_t bytes);
void index_part_name(char out[INDEX_NAME_MAX], const char *segment, uint64_t begin);
/* How long the part that begins there is, as the head of its index says; 0: it has none. */
uint64_t index_part_bytes(const char *dir, const char *segment, uint64_t begin);

/* A thread that gives every closed segment of the folder, and the parts of the open ones that
 * are half a minute old, what the makers make, while nothing else is to be done: of the lowest priority, it looks every ten
 * seconds and takes nobody's lock. Files whose segment is gone go too. NULL: no thread.
 * `journal` and the makers are borrowed. */
struct index_thread;
struct index_thread *index_start(const char *journal, const struct index_makers *m);
void index_stop(struct index_thread **t);
/* What it does each time; parts of what was written settled_s ago, or before. False: something
 * could not be made, and the log says so. */
bool index_once(const char *journal, const struct index_makers *m, unsigned settled_s);

/* The text of a file that is open, which becomes its own; index_segment_close. 0 or an error:
 * then it is closed. */
int index_segment_open(struct index_segment *s, int fd, const char *name);
void index_segment_close(struct index_segment *s);
/* The line there is read soon: the disk may begin. */
void index_soon(const struct index_segment *s, uint64_t offset);
/* Appends the line at that offset, without its newline. 1; 0: no line ends there; ERR_IO. */
int index_line(const struct index_segment *s, uint64_t offset, struct buf *out);

/* How a file beside a segment says whose it is. */
struct index_whose {
	uint64_t segment_bytes;
	int64_t segment_mtime;
	uint64_t last_line;				       /* its offset */
	unsigned char first[SHA256_BYTES], last[SHA256_BYTES]; /* of the first and last line */
	char segment[INDEX_NAME_MAX];
};
void index_whose(const struct index_segment *s, uint64_t last_line, struct index_whose *out);
/* NULL: it is of this one; or what is wrong. */
const char *index_whose_not(const struct index_whose *w, const struct index_segment *s);

#endif
