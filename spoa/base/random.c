/* Random bytes. A system call for the few bytes of an identifier costs more than the bytes, so
 * each thread fetches 512 in advance. Bytes that were handed out are zeroed, so that they cannot
 * be found in memory later. The daemon never forks. */
#include "base/random.h"

#include <sodium.h>
#include <string.h>

enum { AHEAD = 512 };

static _Thread_local unsigned char ahead[AHEAD];
static _Thread_local size_t left;

void
random_bytes(void *out, size_t n)
{
	if (n > AHEAD) {
		randombytes_buf(out, n);
		return;
	}
	if (n > left) {
		randombytes_buf(ahead, sizeof(ahead));
		left = sizeof(ahead);
	}
	left -= n;
	memcpy(out, ahead + left, n);
	explicit_bzero(ahead + left, n);
}
