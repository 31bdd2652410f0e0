/* A folder that one process at a time works in. The lock is one of the system's on a file in the
 * folder, so it ends with the process, however that ends. */
#ifndef FCNN_TRAIN_RUN_FOLDER_LOCK_H
#define FCNN_TRAIN_RUN_FOLDER_LOCK_H

#include "fcnn.h"

#define FOLDER_LOCK_NAME ".fcnn.lock"

/* Makes the folder, with its parents, and takes its lock, in the name of a program. *lock is then
 * to be given to folder_lock_release. FCNN_ERROR_IO says which process has it. Where the file
 * system has no locks the user is told, and goes on without. */
fcnn_status folder_lock_take(const char *folder, const char *program, int *lock);

/* Whether a process has the lock now. */
bool folder_lock_is_held(const char *folder);

/* Whether the lock in the folder of that name is the one that was taken. */
bool folder_lock_is_ours(const char *folder, int lock);

/* Removes the file and gives the lock back. */
void folder_lock_release(const char *folder, int lock);

#endif
