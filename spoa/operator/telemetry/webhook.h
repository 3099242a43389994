/* The body of a webhook, for programs and chats, and its signature. */
#ifndef OPERATOR_TELEMETRY_WEBHOOK_H
#define OPERATOR_TELEMETRY_WEBHOOK_H

#include "base/buf.h"
#include "base/notice.h"

/* kept lines; secrets in a file; bytes of signatures with their NUL */
enum { WEBHOOK_ALSO = 8, WEBHOOK_SECRETS = 4, WEBHOOK_SIGNATURES = 256 };

/* Notices that have no message of their own. */
struct webhook_also {
	uint64_t suppressed; /* their number */
	size_t n;	     /* number of lines kept, which are the last ones */
	char line[WEBHOOK_ALSO][NOTICE_TEXT];
};
/* Adds a notice's line. */
void webhook_also(struct webhook_also *a, const char *line);

/* Removes markup, mentions and links from a text that a chat will show, in place. */
void webhook_plain(char *text);
/* Signs a body with each secret of the file and writes "v1,BASE64 v1,BASE64". Each line of the
 * file is whsec_ and the base64 of 24 to 64 bytes. Returns 0, or a negative error with *why. */
int webhook_sign(const char *secret_file, const char *id, int64_t seconds, struct span body,
	char out[WEBHOOK_SIGNATURES], struct buf *why);

#endif
