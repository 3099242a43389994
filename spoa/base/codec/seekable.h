/* zstd's seekable format (contrib/seekable_format of facebook/zstd): independent frames, then a
 * skippable frame that lists their sizes, so that a part is read without what is before it.
 * `zstd -d` reads it. Pure bytes: who has the file is base/codec/lines.h. */
#ifndef BASE_CODEC_SEEKABLE_H
#define BASE_CODEC_SEEKABLE_H

#include "base/buf.h"

#define SEEKABLE_FOOTER	   9	      /* its last bytes */
#define SEEKABLE_FRAME	   (1u << 20) /* what a frame of ours holds, about */
#define SEEKABLE_FRAME_MAX (4u << 20) /* what one may hold: more is not read */
#define SEEKABLE_FRAMES	   (1u << 20) /* in a file: more are not read */

/* Where a frame begins, in the file and in the text. */
struct seekable_frame {
	uint64_t packed, plain;
};

/* frame[n] is the end of the last. */
struct seekable {
	struct seekable_frame *frame;
	size_t n;
};

/* How long the table is that this footer ends, footer and header included: > 0, or ERR_SYNTAX:
 * it is none; ERR_LIMIT. */
int64_t seekable_table_bytes(struct span footer);
/* Reads the table, whole, of a file of so many bytes. 0; ERR_SYNTAX, ERR_LIMIT: the file is
 * not to be read; ERR_NOMEM. */
int seekable_table(struct span table, uint64_t file_bytes, struct seekable *out);
void seekable_free(struct seekable *s);
/* The frame that holds byte `at` of the text; s->n: it is after the end. */
size_t seekable_find(const struct seekable *s, uint64_t at);
/* Appends frame i's text to *out, from its bytes. 0, ERR_SYNTAX: damaged, ERR_NOMEM. */
int seekable_decode(const struct seekable *s, size_t i, struct span packed, struct buf *out);
/* The first bytes of the text, at most `size`, from the first bytes of the file; how many.
 * Negative: they are none. */
int64_t seekable_head(struct span packed, char *out, size_t size);

/* owner: one thread. */
struct seekable_writer {
	struct ZSTD_CCtx_s *ctx;
	struct buf table;
	uint32_t frames;
};

/* 0 or ERR_NOMEM. */
int seekable_begin(struct seekable_writer *w);
/* Appends a frame with this text, of at most SEEKABLE_FRAME_MAX. 0, ERR_NOMEM, ERR_LIMIT. */
int seekable_encode(struct seekable_writer *w, struct span text, struct buf *out);
/* Appends the table. 0 or ERR_NOMEM. */
int seekable_finish(struct seekable_writer *w, struct buf *out);
void seekable_end(struct seekable_writer *w);

#endif
