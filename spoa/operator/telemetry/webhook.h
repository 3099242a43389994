/* What a webhook looks like: the body that programs and chats read, and its signature. */
#ifndef OPERATOR_TELEMETRY_WEBHOOK_H
#define OPERATOR_TELEMETRY_WEBHOOK_H

#include "base/buf.h"
#include "base/notice.h"

enum { WEBHOOK_ALSO = 8, WEBHOOK_SECRETS = 4, WEBHOOK_SIGNATURES = 256 };

/* Lines of notices that were not sent by themselves. */
struct webhook_also {
	uint64_t suppressed; /* all of them */
	size_t n;	     /* the last ones' lines are kept */
	char line[WEBHOOK_ALSO][NOTICE_TEXT];
};
void webhook_also(struct webhook_also *a, const char *line);

/* The body: one JSON object, valid whatever the notice holds. */
void webhook_body(struct buf *out, const struct notice *m, const struct webhook_also *also,
	const char *node);
/* Text of others, for a line that chats show: no mark-up, mentions or links of theirs. */
void webhook_plain(char *text);
/* "v1,BASE64 v1,BASE64": one for each secret of the file, a line each: whsec_ and base64 of 24 to
 * 64 bytes. 0, or negative with *why. */
int webhook_sign(const char *secret_file, const char *id, int64_t seconds, struct span body,
	char out[WEBHOOK_SIGNATURES], struct buf *why);

#endif
