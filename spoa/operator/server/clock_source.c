/* Who keeps this machine's clock right, as far as a process may know: the kernel says whether
 * it is synchronized (adjtimex(2)), the services leave files that say that they run. */
#include <stdio.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/json_put.h"
#include "operator/server/degraded.h"

void
clock_says(struct buf *out)
{
	static const struct {
		const char *file, *source;
	} services[] = { { "/run/chrony/chronyd.pid", "chrony" },
		{ "/run/chronyd.pid", "chrony" }, { "/run/ntpd.pid", "ntpd" },
		{ "/var/run/ntpd.pid", "ntpd" },
		{ "/run/systemd/timesync/synchronized", "systemd-timesyncd" } };
	struct timex t = { .modes = 0 };
	const char *source = NULL;

	for (size_t i = 0; i < COUNT_OF(services) && !source; i++)
		if (access(services[i].file, F_OK) == 0)
			source = services[i].source;
	json_put_opt(out, "source", source);
	int state = adjtimex(&t);
	if (state < 0)
		json_put_null(out, "synchronized");
	else
		json_put_bool(
			out, "synchronized", state != TIME_ERROR && !(t.status & STA_UNSYNC));
	/* "tsc", "kvm-clock": what the kernel counts with. */
	char name[32] = "";
	FILE *f =
		fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");

	if (f && fscanf(f, "%31[a-z0-9_-]", name) != 1)
		name[0] = '\0';
	if (f)
		fclose(f);
	json_put_opt(out, "counter", name[0] ? name : NULL);
}
