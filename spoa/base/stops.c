/* Ends the process at a named point (base/stops.h). */
#include "base/stops.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void (*stops_hook)(const char *point);
const char *stops_point;
unsigned stops_after = 1;

void
stops_kill(const char *point)
{
	static atomic_uint came;

	if (stops_point && !strcmp(point, stops_point) &&
		atomic_fetch_add(&came, 1) + 1 == stops_after)
		raise(SIGKILL);
}

#ifdef TG_STOPS
__attribute__((constructor)) static void
stops_from_environment(void)
{
	static char name[64];
	const char *s = getenv("TG_STOP_AT");
	size_t n = s ? strcspn(s, ":") : 0;

	if (n == 0 || n >= sizeof(name))
		return;
	memcpy(name, s, n);
	stops_point = name;
	stops_after = s[n] ? (unsigned)strtoul(s + n + 1, NULL, 10) : 1;
	stops_hook = stops_kill;
}
#endif
