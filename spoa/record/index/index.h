/* Indexes of segments: an index lists which records of a closed segment have a term, so that a
 * search need not read the segment. Each closed segment has a file, JOURNAL.index/NAME.idx. The
 * file is made again if it is missing, stale or damaged. An index is never trusted: the search
 * reads each record that it names, and compares the record.
 *
 * Hits are indexed. A hit is a decision with the attempts and the completion that have its id
 * in the same segment, or a single record of another type. Hits are numbered from 0 in the
 * order of their first records. The file is a header, then tables with little-endian numbers:
 *
 *   hits      the time of the first record (8 bytes), its offset (6), flags (2), and its place
 *             in `more` (4), or ~0.
 *   more      for a hit of several records: their number, then the distance of each record to
 *             the previous one.
 *   terms     sorted by hash: the hash (8), then the place in `postings` (4) or, with the top
 *             bit set, the only hit.
 *   postings  the number of hits, then the distance of each hit to the previous one.
 *   sums      a checksum of each block of 16 KB of the tables; the header has its own.
 *
 * Numbers in `more` and `postings` are LEB128. */
#ifndef RECORD_INDEX_INDEX_H
#define RECORD_INDEX_INDEX_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "base/span.h"
#include "record/journal/journal.h"

#define INDEX_SUFFIX   ".index" /* suffix of the journal's folder, for the folder of indexes */
#define INDEX_NAME_MAX JOURNAL_NAME_MAX

/* The facts of a line that an index needs. */
struct index_record {
	uint64_t id; /* hash of the record's id; 0: the record is a hit of its own */
	uint64_t seq;
	int64_t time_ns;
	bool first;   /* the record is a decision and begins a hit */
	bool expects; /* a completion will follow this decision */
	bool ends;    /* the record is a completion */
};

/* A line that was parsed once for all makers. */
enum { INDEX_PLACES = 48 };
struct index_line {
	struct span line;
	uint64_t offset;
	bool is_record; /* false: the next three members are not set */
	struct index_record record;
	struct span time;
	uint64_t *hash; /* the hash of each term of the line */
	size_t nhash, hash_room;
	struct span place[INDEX_PLACES]; /* raw values; the terms' read() assigns the places */
	bool no_memory;
};
/* Adds the hash of a term. */
void index_line_term(struct index_line *l, uint64_t hash);

/* How lines are parsed. All indexes of a program have the same terms. */
struct index_terms {
	uint64_t (*version)(void);	    /* an index of another version is stale */
	void (*read)(struct index_line *l); /* parses l->line into the other members */
};

/* An open segment, part of a segment, or other file of lines. Offsets are relative to its
 * begin. */
struct index_segment {
	char name[INDEX_NAME_MAX]; /* NAME; a part is NAME@BEGIN */
	uint64_t bytes;
	int64_t mtime_ns; /* the file's time; 0: not compared */
	void *arg;
	/* Reads like pread(2). A negative result is an error. */
	long (*read)(void *arg, uint64_t offset, void *to, size_t n);
};

/* owner: one thread. */
struct index;

#define INDEX_FIRST 1 /* the hit begins with its decision */
#define INDEX_OPEN  2 /* INDEX_FIRST, and the completion is in a later segment or missing */
#define INDEX_ALONE 4 /* the hit is a record of another type */
/* The term that all open hits have. */
#define INDEX_TERM_OPEN 1
struct index_hit {
	int64_t time_ns;
	unsigned flags;
	size_t n;	     /* number of records */
	uint64_t offset[64]; /* offsets of the first 64 records */
};

struct index_facts {
	uint32_t hits;
	uint64_t records, first_seq, last_seq;
	int64_t from_ns, to_ns; /* the earliest and latest time of a record */
	size_t bytes;
};

/* Reads the whole segment and returns its index, or NULL with *why. `stop` may be NULL; if it
 * becomes true, the function returns an error. */
struct index *index_make(const struct index_segment *s, const struct index_terms *t,
	const atomic_bool *stop, struct buf *why);
/* Opens the index in `dir` (JOURNAL.index). Returns NULL with *why if the index is damaged, or
 * belongs to another segment, or to an earlier content of this one. *why is empty if there is
 * no index. */
struct index *index_open(const char *dir, const struct index_segment *s,
	const struct index_terms *t, struct buf *why);
/* Writes the index, under another name until it is whole, and makes the folder (0700). Returns
 * 0, or ERR_FULL or ERR_IO with *why. */
int index_save(const struct index *ix, const char *dir, struct buf *why);
void index_free(struct index **ix);

void index_facts(const struct index *ix, struct index_facts *out);
/* Returns true if a block does not match its checksum, or a table is not consistent. Results of
 * the index are then not to be used. */
bool index_bad(const struct index *ix);
/* Returns true if the index was opened, not made. */
bool index_is_file(const struct index *ix);
/* Sets the bit of each hit that has the term. `bits` has a bit for each hit. */
void index_mark(struct index *ix, uint64_t term, uint64_t *bits);
/* Sets *hit to the first hit of the term from *hit on. Returns false if there is none. */
bool index_find(struct index *ix, uint64_t term, uint32_t *hit);
/* Reads a hit. Returns false if there is no such hit, or the index is bad. */
bool index_hit(struct index *ix, uint32_t hit, struct index_hit *out);

/* ---- files beside segments ---- */

enum { INDEX_VERSION_AT = 8 }; /* offset of the version, after the magic bytes */
/* A kind of file that is made from a segment and kept in JOURNAL.index: indexes and sums. */
struct index_maker {
	const char *suffix; /* suffix of the file's name, such as ".idx" */
	/* The version of the files that this program makes. Each file has its version at
	 * INDEX_VERSION_AT. */
	uint64_t (*version)(const struct index_terms *t);
	/* Returns true if the file exists and is sound. */
	bool (*sound)(
		const struct index_segment *s, const char *dir, const struct index_terms *t);
	void *(*begin)(const struct index_terms *t); /* returns NULL if memory is exhausted */
	/* Takes the next line. Returns false if the maker needs no more lines. */
	bool (*line)(void *making, const struct index_line *l);
	/* Writes the file, unless `err` is an error already, and frees `making`. Returns as
	 * index_beside(). */
	int (*end)(void *making, const struct index_segment *s, const char *dir,
		const struct index_terms *t, int err, bool check, struct buf *why);
};
/* The maker of indexes. */
#define INDEX_FILES ".idx"
extern const struct index_maker index_maker;
/* All makers of a program. The maker of indexes is the first. */
#define INDEX_MAKERS 2
struct index_makers {
	const struct index_terms *terms;
	const struct index_maker *of[INDEX_MAKERS];
};

/* Makes the files of a segment, plain or compressed: of the whole (bytes 0), or of a part.
 * `which` has a bit for each maker. A sound file is not made again, and nothing is made while
 * the end of the segment is still being written; both return 0. Otherwise returns 0, or an
 * error with *why.
 *
 * With `check`, each file is made in any case, and compared with the existing one. Returns 0 if
 * both are equal, ERR_NOTFOUND if there was no sound file, or ERR_AUTH if the file was sound
 * and differed from its segment. The file is then replaced by the new one. Any thread; `stop`
 * as for index_make(). */
int index_beside(const char *journal, const struct journal_segment *segment, uint64_t begin,
	uint64_t bytes, const struct index_makers *m, unsigned which, const atomic_bool *stop,
	bool check, struct buf *why);
/* Writes the path of a segment's or part's file in `dir`. Returns false if the path is too
 * long. */
bool index_path(
	char *out, size_t size, const char *dir, const char *segment, const char *suffix);
/* Opens the file for reading; `path` receives its name for messages. Returns the descriptor, or
 * -1 if there is no file, or with *why if the file cannot be opened. */
int index_open_file(char *path, size_t size, const char *dir, const char *segment,
	const char *suffix, struct buf *why);
/* Appends a number in LEB128: seven bits a byte, the low bits first. */
void index_put_number(struct buf *b, uint64_t v);
/* Writes a file of `dir`, under another name until it is whole, and makes the folder (0700).
 * Returns 0, or ERR_FULL or ERR_IO with *why. */
int index_write(const char *dir, const char *path, struct span bytes, struct buf *why);

/* The open segment has files for its parts. A part has whole lines, about INDEX_PART_BYTES;
 * parts follow each other from the segment's begin. Lines after the last part have no files
 * yet. */
#define INDEX_PART_BYTES (4u << 20)
/* Narrows an open segment to a part. `bytes` 0: to its end. */
void index_part(struct index_segment *s, uint64_t begin, uint64_t bytes);
void index_part_name(char out[INDEX_NAME_MAX], const char *segment, uint64_t begin);
/* Returns the length of the part that begins at `begin`, from the header of its index, or 0 if
 * the part has no index. */
uint64_t index_part_bytes(const char *dir, const char *segment, uint64_t begin);

/* The thread that makes the files of closed segments, and of parts of the open segment whose
 * last line is half a minute old. It has the lowest priority, looks every ten seconds, and
 * takes no lock that others use. It deletes files whose segment is gone. `journal` and the
 * makers are borrowed. Returns NULL if there is no thread. */
struct index_thread;
struct index_thread *index_start(const char *journal, const struct index_makers *m);
void index_stop(struct index_thread **t);
/* One turn of the thread. A part is made if the line after it is at least settled_s seconds
 * old. Returns false if a file could not be made, which is logged. */
bool index_once(const char *journal, const struct index_makers *m, unsigned settled_s);

/* Opens the text of a file. The segment owns `fd` from then on, and index_segment_close()
 * closes it. Returns 0, or an error after closing `fd`. */
int index_segment_open(struct index_segment *s, int fd, const char *name);
void index_segment_close(struct index_segment *s);
/* Announces that the line at that offset is read soon, so that the kernel reads ahead. */
void index_soon(const struct index_segment *s, uint64_t offset);
/* Appends the line at that offset, without its newline. Returns 1, 0 if no line ends after the
 * offset, or ERR_IO. */
int index_line(const struct index_segment *s, uint64_t offset, struct buf *out);

/* The segment that a file beside it was made from. */
struct index_whose {
	uint64_t segment_bytes;
	int64_t segment_mtime;
	uint64_t last_line;				       /* offset of the last line */
	unsigned char first[SHA256_BYTES], last[SHA256_BYTES]; /* hashes of the first and
								* last line */
	char segment[INDEX_NAME_MAX];
};
void index_whose(const struct index_segment *s, uint64_t last_line, struct index_whose *out);
/* Returns NULL if the file belongs to the segment, or a text with the difference. */
const char *index_whose_not(const struct index_whose *w, const struct index_segment *s);

#endif
