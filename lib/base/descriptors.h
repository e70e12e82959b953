#ifndef WARREN_BASE_DESCRIPTORS_H
#define WARREN_BASE_DESCRIPTORS_H

/*
 * Raises the process's own limit of open descriptors to `wanted`, or as far as the system lets it;
 * never lowers it.
 */
void descriptors_allow(unsigned long wanted);
#define DESCRIPTORS_ALL (~0UL)

#endif
