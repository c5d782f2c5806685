/*
 * Preloaded into redis-server, this makes its clock wrong by as many seconds as the file
 * that CLOCK_OFFSET names says. Redis asks gettimeofday for the time of day.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec real;
	long offset = 0;
	FILE *file = fopen(getenv("CLOCK_OFFSET"), "r");

	(void)zone;
	if (file && fscanf(file, "%ld", &offset) != 1)
		offset = 0;
	if (file)
		fclose(file);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
	now->tv_sec = real.tv_sec + offset;
	now->tv_usec = real.tv_nsec / 1000;
	return 0;
}
