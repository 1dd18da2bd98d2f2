;;;; Compiles the port into the program microgpt. A warning stops the build.

(with-compilation-unit ()
  (dolist (name '("exact" "tape" "protocol" "model" "main"))
    (multiple-value-bind (fasl warnings) (compile-file name)
      (when warnings
        (sb-ext:exit :code 1))
      (load fasl)
      (delete-file fasl))))

(sb-ext:save-lisp-and-die "microgpt" :executable t :save-runtime-options t :toplevel (intern "MAIN" :microgpt))
