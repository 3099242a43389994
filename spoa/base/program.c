/* The identity of this program. The commit is in a file that the build generates, so that only
 * this file is compiled again after a commit. The build id is the note NT_GNU_BUILD_ID in the
 * program's own segments (elf(5), "Notes"). */
#include "base/program.h"

#include <link.h>
#include <stdint.h>
#include <string.h>

#include "base/commit.h"

const char *
program_commit(void)
{
	return TG_COMMIT;
}

static size_t
padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

/* Searches the notes for the build id. A note is a header, a name and a description, each padded
 * to 4 bytes. */
static void
find_build_id(const unsigned char *p, size_t n, char out[PROGRAM_BUILD_ID])
{
	static const char digits[] = "0123456789abcdef";
	ElfW(Nhdr) h;

	while (n >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		size_t name = padded(h.n_namesz), all = sizeof(h) + name + padded(h.n_descsz);
		if (all > n)
			return;
		const unsigned char *id = p + sizeof(h) + name;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 &&
			!memcmp(p + sizeof(h), "GNU", 4) && 2 * h.n_descsz < PROGRAM_BUILD_ID) {
			for (size_t i = 0; i < h.n_descsz; i++) {
				*out++ = digits[id[i] >> 4];
				*out++ = digits[id[i] & 15];
			}
			*out = '\0';
			return;
		}
		p += all;
		n -= all;
	}
}

/* Reads only the first object, which is the program itself. */
static int
first_object(struct dl_phdr_info *info, size_t size, void *out)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum && !*(char *)out; i++) {
		const ElfW(Phdr) *s = &info->dlpi_phdr[i];
		if (s->p_type == PT_NOTE)
			find_build_id((const unsigned char *)(uintptr_t)(info->dlpi_addr +
									 s->p_vaddr),
				s->p_memsz, out);
	}
	return 1;
}

const char *
program_build_id(char out[PROGRAM_BUILD_ID])
{
	out[0] = '\0';
	dl_iterate_phdr(first_object, out);
	return out;
}
