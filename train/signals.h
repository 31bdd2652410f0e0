/* Signals that ask a program to end: SIGINT, SIGTERM, SIGHUP, SIGXCPU, and SIGUSR1, by which batch
 * systems tell that a job's time is almost over. One that was ignored when
 * the program started, as by nohup or for a script's job in the background, stays ignored. */
#ifndef FCNN_TRAIN_SIGNALS_H
#define FCNN_TRAIN_SIGNALS_H

#include <stdbool.h>

/* 1 from the first of them on. What takes long looks at it and ends in good order. */
extern volatile int signals_interrupted;

typedef struct {
    const char *message;             /* written to standard error at the first one; or NULL */
    void (*pass)(int signal_number); /* is given each one instead of what follows; or NULL */
    bool restart;                    /* system calls go on after it */
} signals_options;

/* Catches them from here on; the options' texts stay. Without `pass` a later SIGINT or SIGTERM
 * ends the program at once. The others, of which SIGXCPU is sent every second, never do, and
 * neither does what comes together with the first one: a shell and the system may both send the
 * same. */
void signals_catch(const signals_options *options);

/* Catches one more, unless it was ignored. */
void signals_catch_also(int signal_number, void (*handler)(int signal_number));

/* In a child process before exec: what is caught has its default action again, what is ignored
 * stays so. */
void signals_reset(void);

#endif
