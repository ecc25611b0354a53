# The disk lives in a name space of its own and goes with it.
unshare -m sh -c 'mkdir -p disk && mount -t tmpfs none disk' 2>/dev/null && exit 0
echo "needs to mount a tmpfs"
exit 77
