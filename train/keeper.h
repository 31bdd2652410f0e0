/* Who tells that a rank was killed, where its launcher does not say which it was. */
#ifndef FCNN_TRAIN_KEEPER_H
#define FCNN_TRAIN_KEEPER_H

/* Where that is so, goes on in a child process, and waits for its end in this one; else does
 * nothing. Called before the program has threads. */
void keeper_start(void);
/* The rank has found the others: from here on a launcher knows if it ends. */
void keeper_joined(void);

#endif
