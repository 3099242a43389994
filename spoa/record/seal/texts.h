/* The log of ciphertexts in the folder JOURNAL.texts next to the journal.
 *
 * The log is one sequence of bytes, cut into files of TEXTS_SEGMENT_BYTES,
 * NODE-POSITION.texts (16 hexadecimal digits). A *position* is a byte's place in the log:
 * position / TEXTS_SEGMENT_BYTES selects the file, the rest is the place in it. Each file
 * begins with a head. Each part of a text is a frame: a head of TEXTS_FRAME_BYTES, and the
 * ciphertext with its tag. A frame never crosses the end of a file. Workers take positions,
 * the audit thread writes and syncs. Bytes that were taken and never written are zeros. */
#ifndef RECORD_SEAL_TEXTS_H
#define RECORD_SEAL_TEXTS_H

#include <stdlib.h>

#include "base/buf.h"

#define TEXTS_SEGMENT_BYTES (UINT64_C(64) << 20)
#define TEXTS_HEAD_BYTES    128
#define TEXTS_FRAME_BYTES   16
#define TEXTS_PART_MAX	    (64u << 10) /* bytes of plaintext in a part, at most */
/* suffix of the folder JOURNAL.texts and of the files in it */
#define TEXTS_SUFFIX ".texts"

struct texts;

/* A part on its way to the disk; n: bytes of its frame. */
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

/* Opens the folder JOURNAL.texts, or creates it (mode 0700). Positions continue after the
 * newest file, which trimming therefore keeps. If there is no file but JOURNAL.texts.head
 * exists, the files were lost, and positions continue where no old file can be. Returns NULL
 * with the reason in *why if the folder has another file, a wrong head, or another node's
 * file. */
struct texts *texts_open(const char *journal, const char *node, struct buf *why);
void texts_close(struct texts **t);
/* Takes the position of a frame of n bytes. Any thread. */
uint64_t texts_take(struct texts *t, size_t n);
/* Makes the next position begin a new file; called at midnight, so that a file is of one day.
 * Any thread. */
void texts_roll(struct texts *t);
/* Writes a part. Audit thread only. Returns 0, ERR_FULL or ERR_IO with errno set. */
int texts_write(struct texts *t, const struct text_part *p);
/* Makes everything written durable, with one fdatasync for each file. Audit thread only.
 * After an error, everything written since the last success must be written again. */
int texts_sync(struct texts *t);

/* ---- for readers, without the daemon ---- */

/* Makes the name of the file of a position: NODE-POSITION.texts. */
#define TEXTS_NAME_MAX 96
void texts_name(const char *node, uint64_t position, char out[TEXTS_NAME_MAX]);
/* Sets *position to the beginning of a file of that node. Returns false if the name has
 * another form. */
bool texts_name_read(const char *name, const char *node, uint64_t *position);
/* Appends the ciphertext with its tag of the frame at a position to *out, and sets the number
 * of the part and whether it is the last. Also looks in JOURNAL.restored.texts. Returns 0,
 * ERR_NOTFOUND (the file is missing), ERR_TRUNCATED (the file ends before), ERR_SYNTAX (no
 * frame begins there) or another error, with file and position in *why. */
int texts_read(const char *journal, const char *node, uint64_t position, unsigned *part,
	bool *last, struct buf *out, struct buf *why);

#endif
