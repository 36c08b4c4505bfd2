# The initramfs as a plain archive that anyone can list (cpio -t), and the artefacts to boot real machines from.

INITRAMFS_SOURCES = $(shell sed -nE 's/^file +[^ ]+ +[0-7]+ +([^ ]+).*/\1/p' initramfs/files.list)

$(filter $(B)/sysroot/%,$(INITRAMFS_SOURCES)): | $(B)/sysroot/.built

$(B)/image/initramfs.cpio: initramfs/files.list initramfs/pack $(INITRAMFS_SOURCES)
	@mkdir -p $(@D)
	@initramfs/pack initramfs/files.list $@

image: $(B)/image/kernel ## the node's image: build/image/kernel, with build/image/initramfs.cpio inside

usb: image ## a USB stick's image for UEFI and BIOS, with the settings in SETTINGS=FILE (from 3bot invite --settings)
	@initramfs/usb-image $(B)/image/kernel $(B)/image/zos.img $(SETTINGS)
