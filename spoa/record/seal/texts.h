/* Where ciphertext lies: JOURNAL.texts, one log of bytes next to the journal, cut into files of
 * TEXTS_SEGMENT_BYTES, NODE-POSITION.texts (16 hexadecimal digits). A *position* is a byte's
 * place in that log: position / TEXTS_SEGMENT_BYTES is the file, the rest the place in it. Each
 * file begins with a head; each part of a text is a frame: a head of TEXTS_FRAME_BYTES and the
 * ciphertext with its tag. A frame never goes over a file's end. Workers take positions, the
 * audit thread writes and syncs: what was taken and never written is zeros. */
#ifndef RECORD_SEAL_TEXTS_H
#define RECORD_SEAL_TEXTS_H

#include <stdlib.h>

#include "base/buf.h"

#define TEXTS_SEGMENT_BYTES (UINT64_C(64) << 20)
#define TEXTS_HEAD_BYTES    128
#define TEXTS_FRAME_BYTES   16
#define TEXTS_PART_MAX	    (64u << 10) /* bytes of plaintext in a part */
#define TEXTS_SUFFIX	    ".texts" /* of the folder, after the journal's path, and of its files */

struct texts; /* opaque */

/* One part on its way to the disk. The frame's bytes follow. */
struct text_part {
	struct text_part *next;
	uint64_t position;
	size_t n;
	unsigned char frame[];
};

static inline void
text_parts_free(struct text_part **list)
{
	for (struct text_part *p; (p = *list); free(p))
		*list = p->next;
}

/* Opens the folder JOURNAL.texts of `journal`, or makes it (0700). Positions go on after what
 * is there: who trims leaves the newest file. Where nothing is there and JOURNAL.texts.head is,
 * they were lost, and positions go on where no old file has any. NULL with *why: a stranger's
 * file, a head that is none, another node's. */
struct texts *texts_open(const char *journal, const char *node, struct buf *why);
void texts_close(struct texts **t);
/* The position of a frame of n bytes; any thread. */
uint64_t texts_take(struct texts *t, size_t n);
/* What follows begins a new file: at midnight, so that a file is of one day. Any thread. */
void texts_roll(struct texts *t);
/* The audit thread's: 0; ERR_FULL, ERR_IO, with errno. */
int texts_write(struct texts *t, const struct text_part *p);
/* Everything written is durable. One fdatasync a file that was written to. After an error all
 * that was written since the last one that said 0 is to be written again. */
int texts_sync(struct texts *t);

/* ---- for readers, of the folder alone ---- */

/* The file's name of a position: NODE-POSITION.texts. */
#define TEXTS_NAME_MAX 96
void texts_name(const char *node, uint64_t position, char out[TEXTS_NAME_MAX]);
/* Of a file of that node's its begin; false: the name is none of those. */
bool texts_name_read(const char *name, const char *node, uint64_t *position);
/* Appends the ciphertext, with its tag, of the frame at that position to *out, with its place
 * among the text's parts and whether it is the last. `restored`: JOURNAL.restored.texts is
 * looked in too. 0; ERR_NOTFOUND: the file is not here (trimmed, or never was); ERR_TRUNCATED:
 * it ends before; ERR_SYNTAX: there is no frame. *why names file and place. */
int texts_read(const char *journal, const char *node, uint64_t position, unsigned *part,
	bool *last, struct buf *out, struct buf *why);

#endif
