# The kernel with the initramfs inside: one file that UEFI, boot loaders and QEMU start alike.

$(B)/image/kernel: kernel/build $(wildcard kernel/*.config) $(B)/image/initramfs.cpio | $(B)/.setup
	@kernel/build $(B)/image/initramfs.cpio $(B)/image
