/* zstd's seekable format (contrib/seekable_format of facebook/zstd): independent frames,
 * followed by a skippable frame that lists their sizes, so that a part can be read without the
 * bytes before it. `zstd -d` can decompress it. These functions handle bytes only;
 * base/codec/lines.h reads files. */
#ifndef BASE_CODEC_SEEKABLE_H
#define BASE_CODEC_SEEKABLE_H

#include "base/buf.h"

#define SEEKABLE_FOOTER	   9	      /* bytes at the end of the file */
#define SEEKABLE_FRAME	   (1u << 20) /* approximate bytes of text in a frame that we write */
/* bytes of text in a frame, at most; a larger one is not read */
#define SEEKABLE_FRAME_MAX (4u << 20)
#define SEEKABLE_FRAMES	   (1u << 20) /* frames in a file, at most; a file with more is not read */

/* The offsets at which a frame begins, in the file and in the text. */
struct seekable_frame {
	uint64_t packed, plain;
};

/* n frames; frame[n] is the end of the last one. Freed by seekable_free(). */
struct seekable {
	struct seekable_frame *frame;
	size_t n;
};

/* Returns the bytes of the table that ends with this footer, footer and header included. Returns
 * ERR_SYNTAX if it is not a footer, or ERR_LIMIT. */
int64_t seekable_table_bytes(struct span footer);
/* Parses the whole table of a file of `file_bytes` bytes. Returns 0; ERR_SYNTAX or ERR_LIMIT if
 * the file cannot be read; or ERR_NOMEM. */
int seekable_table(struct span table, uint64_t file_bytes, struct seekable *out);
void seekable_free(struct seekable *s);
/* Returns the frame that holds byte `at` of the text, or s->n if `at` is beyond the end. */
size_t seekable_find(const struct seekable *s, uint64_t at);
/* Decompresses frame i and appends its text to *out. Returns 0, ERR_SYNTAX if the frame is
 * damaged, or ERR_NOMEM. */
int seekable_decode(const struct seekable *s, size_t i, struct span packed, struct buf *out);
/* Decompresses the first bytes of the text, at most `size`, from the first bytes of the file.
 * Returns their number, or a negative error. */
int64_t seekable_head(struct span packed, char *out, size_t size);

/* owner: one thread. */
struct seekable_writer {
	struct ZSTD_CCtx_s *ctx;
	struct buf table;
	uint32_t frames;
};

/* Begins to write. Returns 0 or ERR_NOMEM. */
int seekable_begin(struct seekable_writer *w);
/* Appends a frame with this text, of at most SEEKABLE_FRAME_MAX bytes. Returns 0, ERR_NOMEM or
 * ERR_LIMIT. */
int seekable_encode(struct seekable_writer *w, struct span text, struct buf *out);
/* Appends the table. Returns 0 or ERR_NOMEM. */
int seekable_finish(struct seekable_writer *w, struct buf *out);
void seekable_end(struct seekable_writer *w);

#endif
