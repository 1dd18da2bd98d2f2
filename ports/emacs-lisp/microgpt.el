;;; microgpt.el --- The port emacs-lisp of microgpt  -*- lexical-binding: t -*-

;;; Commentary:

;; A request is the accessible part of the current buffer, and point is how far it is read.
;; Each verb is a function without arguments that reads a request and puts the lines of its reply (SPEC, section 12).

;;; Code:

(require 'microgpt-run)

;;;; Reading a request

(defconst mg-longest-line 65536)

(defun mg--next ()
  "The words of the next line."
  (when (eobp) (mg-refuse "the request ends too early"))
  (let ((start (point)))
    (forward-line)
    (when (> (- (point) start 1) mg-longest-line) (mg-refuse "a line is too long"))
    (split-string (buffer-substring start (1- (point))) " ")))

(defun mg--finish ()
  "Refuse lines that are left."
  (unless (eobp) (mg-refuse "expected the end")))

(defun mg--take (key)
  "The values of the next line, which must have this KEY."
  (let ((words (mg--next)))
    (unless (equal (car words) key) (mg-refuse "expected a line %s" key))
    (cdr words)))

(defun mg--one (key read &rest arguments)
  "What READ makes of ARGUMENTS and the one value of the next line.
That line must have this KEY."
  (let ((values (mg--take key)))
    (unless (length= values 1) (mg-refuse "%s takes 1 value" key))
    (apply read (append arguments values))))

(defun mg--while (key read)
  "What READ makes of the values of all next lines that have this KEY."
  (cl-loop while (looking-at-p (concat key "[ \n]"))
           collect (funcall read (mg--take key))))

(defmacro mg--each-line (&rest clauses)
  "Match each line that is left, at least one, against the CLAUSES of a `pcase'.
The reply has the same key and the words that the clause returns as a list,
unless it returns t."
  `(while (let* ((line (mg--next))
                 (words (pcase line
                          ,@clauses
                          (_ (mg-refuse "an unknown key, or values that it does not take")))))
            (unless (eq words t) (mg--put (car line) words))
            (not (eobp)))))

(defun mg--integer (low high word)
  "The integer WORD, from LOW to HIGH."
  (unless (string-match-p "\\`\\(?:0\\|[1-9][0-9]\\{,9\\}\\)\\'" word) (mg-refuse "expected an integer"))
  (let ((n (string-to-number word)))
    (unless (<= low n high) (mg-refuse "an integer is not in the range from %d to %d" low high))
    n))

(defun mg--double (word)
  "The double whose bits are WORD."
  (unless (string-match-p "\\`[0-9a-f]\\{16\\}\\'" word) (mg-refuse "a double has 16 lower-case hex digits"))
  (let* ((high (string-to-number (substring word 0 8) 16))
         (low (string-to-number (substring word 8) 16))
         (exponent (logand (ash high -20) #x7ff))
         (fraction (logior (ash (logand high #xfffff) 32) low))
         (size (pcase exponent
                 (0 (ldexp fraction -1074))
                 (#x7ff (if (zerop fraction) mg-infinity mg-nan))
                 (_ (ldexp (+ fraction (ash 1 52)) (- exponent 1075))))))
    (if (< high #x80000000) size (- size))))

(defun mg--exponent (limit word)
  "The integer or half-integer WORD, from -LIMIT to LIMIT."
  (let ((c (mg--double word)))
    (unless (and (<= (abs c) limit) (= (* 2.0 c) (ffloor (* 2.0 c))))
      (mg-refuse "an exponent is an integer or half-integer up to %d" limit))
    c))

(defun mg--code-point (word)
  "The code point WORD."
  (let ((point (mg--integer 0 #x10ffff word)))
    (when (<= #xd800 point #xdfff) (mg-refuse "a surrogate is not a code point"))
    point))

(defun mg--choose (choices word)
  "The value of WORD in the alist CHOICES."
  (cdr (or (assoc word choices) (mg-refuse "expected one of a few words"))))

(defun mg--math ()
  "Read the line math."
  (unless (mg--one "math" #'mg--choose '(("exact" . t) ("native" . nil)))
    (mg-refuse "unsupported")))

(defun mg--tensor (name &optional shape)
  "The shape and the doubles of the tensor NAME: ((ROWS COLUMNS) . DOUBLES).
Its SHAPE may be known."
  (pcase (mg--take "tensor")
    (`(,(pred (equal name)) ,rows ,columns)
     (let ((found (list (mg--integer 1 2048 rows) (mg--integer 1 2048 columns))))
       (unless (or (not shape) (equal shape found)) (mg-refuse "%s has the wrong shape" name))
       (cons found
             (apply #'vconcat
                    (cl-loop repeat (car found)
                             for row = (mapcar #'mg--double (mg--take "row"))
                             unless (length= row (cadr found))
                             do (mg-refuse "a row of %s is not %d values" name (cadr found))
                             collect row)))))
    (_ (mg-refuse "expected the tensor %s" name))))

(defun mg--read-matrices (shape &optional prefix)
  "The doubles of all matrices of SHAPE, whose names have this PREFIX."
  (apply #'vconcat
         (cl-loop for (name . size) in (mg-matrices shape)
                  collect (cdr (mg--tensor (concat prefix name) size)))))

;;;; Writing a reply

(defvar mg--reply nil
  "The lines of the reply, last one first.")

(defun mg--put (key words)
  "Put a line of KEY and WORDS, which are text or integers."
  (push (mapconcat (lambda (word) (if (integerp word) (number-to-string word) word)) (cons key words) " ")
        mg--reply))

(defun mg--bits (x)
  "The upper and the lower 32 bits of the double X, (HIGH . LOW)."
  (let ((size (abs x)))
    (pcase-let ((`(,exponent . ,whole)
                 (cond ((isnan x) (cons #x7ff (ash 1 51)))
                       ((= size mg-infinity) (cons #x7ff 0))
                       ((< size 2.2250738585072014e-308) (cons 0 (truncate (ldexp size 1074))))
                       ;; The fraction's leading 1 adds to the exponent.
                       (t (pcase-let ((`(,fraction . ,exponent) (frexp size)))
                            (cons (+ exponent 1021) (truncate (ldexp fraction 53)))))))
                (sign (if (and (< (copysign 1.0 x) 0.0) (not (isnan x))) #x80000000 0)))
      (cons (+ sign (ash exponent 20) (ash whole -32)) (logand whole #xffffffff)))))

(defun mg--hex (x)
  "The 16 hex digits of the double X."
  (pcase-let ((`(,high . ,low) (mg--bits x)))
    (format "%08x%08x" high low)))

(defun mg--hexes (xs)
  "The hex digits of each of the doubles XS."
  (mapcar #'mg--hex xs))

(defun mg--checksum (xs)
  "The words of the checksum of the doubles XS (SPEC, section 13)."
  (let ((a 1) (b 0))
    (cl-flet ((add (h) (setq a (mod (+ a h) 4294967291)
                             b (mod (+ b a) 4294967291))))
      (mapc (lambda (x)
              (pcase-let ((`(,high . ,low) (mg--bits x)))
                (add high)
                (add low)))
            xs))
    (list (format "%08x" a) (format "%08x" b))))

(defun mg--put-tensor (name rows columns xs)
  "Put the vector XS as the tensor NAME of ROWS and COLUMNS."
  (mg--put "tensor" (list name rows columns))
  (dotimes (r rows)
    (mg--put "row" (mg--hexes (substring xs (* r columns) (* (1+ r) columns))))))

(defun mg--put-matrices (shape prefix xs)
  "Put the vector XS as the matrices of SHAPE, whose names get this PREFIX."
  (let ((start 0))
    (cl-loop for (name rows columns) in (mg-matrices shape)
             do (mg--put-tensor (concat prefix name) rows columns
                                (substring xs start (cl-incf start (* rows columns)))))))

;;;; The verbs

(defconst mg-verbs
  '(("hello" . mg--hello) ("arith" . mg--arith) ("math" . mg--functions) ("random" . mg--draws)
    ("tokens" . mg--tokens) ("graph" . mg--graph) ("forward" . mg--forward) ("backward" . mg--backward)
    ("adam" . mg--adam) ("train" . mg--train) ("sample" . mg--samples) ("run" . mg--whole-run))
  "The verbs in the ladder's order, and their functions.")

(defun mg--hello ()
  (mg--finish)
  (mg--put "name" '("emacs-lisp"))
  (mg--put "protocol" '(1))
  (mg--put "verbs" (mapcar #'car mg-verbs))
  (mg--put "math" '("exact")))

(defun mg--arith ()
  (cl-flet* ((double (word) (mg--double word))
             (answer (function &rest words) (list (mg--hex (apply function (mapcar #'double words))))))
    (mg--each-line
     (`("add" ,x ,y) (answer #'+ x y))
     (`("sub" ,x ,y) (answer #'- x y))
     (`("mul" ,x ,y) (answer #'* x y))
     (`("div" ,x ,y) (answer #'/ x y))
     (`("sqrt" ,x) (answer #'sqrt x))
     (`("muladd" ,x ,y ,z) (answer (lambda (x y z) (+ (* x y) z)) x y z))
     (`("sum" . ,(and words (guard words)))
      (list (mg--hex (cl-reduce #'+ (mapcar #'double words) :initial-value 0.0))))
     (`("dot" . ,(and words (guard (and words (cl-evenp (length words))))))
      (list (mg--hex (cl-loop with total = 0.0
                              for (x y) on (mapcar #'double words) by #'cddr
                              do (setq total (+ total (* x y)))
                              finally return total))))
     (`("decimals" ,(app double (and x (guard (not (< 9007199254740992.0 (abs x) mg-infinity))))))
      (append (mg-decimals x) nil)))))

(defun mg--functions ()
  (mg--math)
  (cl-flet ((angle (word)
              (let ((x (mg--double word)))
                (when (> (abs x) 8.0) (mg-refuse "sin and cos take |x| up to 8"))
                x)))
    (mg--each-line
     (`("exp" ,x) (list (mg--hex (mg-exp (mg--double x)))))
     (`("log" ,x) (list (mg--hex (mg-log (mg--double x)))))
     (`("sin" ,x) (list (mg--hex (mg-sin (angle x)))))
     (`("cos" ,x) (list (mg--hex (mg-cos (angle x)))))
     (`("pow" ,x ,y) (list (mg--hex (mg-pow (mg--double x) (mg--exponent 4096 y))))))))

(defun mg--draws ()
  (mg--math)
  (let ((twister (mg-seeded (mg--one "seed" #'mg--integer 0 #xffffffff))))
    (cl-macrolet ((draws (n form) `(cl-loop repeat (mg--integer 0 1000 ,n) collect ,form)))
      (mg--each-line
       (`("words" ,n) (draws n (mg-word twister)))
       (`("random" ,n) (draws n (mg--hex (mg-random twister))))
       (`("gauss" ,n ,sigma)
        (let ((sigma (mg--double sigma))) (draws n (mg--hex (mg-gauss twister sigma)))))
       (`("shuffle" ,n)
        (let ((items (vconcat (number-sequence 0 (1- (mg--integer 0 10000 n))))))
          (mg-shuffle twister items)
          (append items nil)))
       (`("choices" ,n . ,(and words (guard (<= 1 (length words) 1000))))
        (let ((weights (vconcat (mapcar #'mg--double words))))
          (draws n (mg-choice twister weights))))
       (`("state")
        (mg--put "state" (cons (mg-twister-index twister) (append (mg-twister-words twister) nil)))
        (let ((kept (mg-twister-kept twister)))
          (mg--put "kept" (list (if kept (mg--hex kept) "none"))))
        t)))))

(defun mg--dataset ()
  "The last lines of a request, as vectors of code points."
  (prog1 (mg--while "line" (lambda (words)
                             (when (length> words 10000) (mg-refuse "a line is too long"))
                             (vconcat (mapcar #'mg--code-point words))))
    (mg--finish)))

(defun mg--tokens ()
  (let* ((documents (mg-documents (mg--dataset)))
         (characters (mg-characters documents))
         (encode (mg-encoder characters)))
    (mg--put "documents" (list (length documents)))
    (mg--put "vocabulary" (append characters nil))
    (mg--put "bos" (list (length characters)))
    (mapc (lambda (document) (mg--put "encoded" (append (funcall encode document) nil))) documents)))

(defun mg--graph ()
  (mg--math)
  (let ((nodes (make-vector (count-lines (point) (point-max)) nil)) (count 0) root)
    (cl-flet* ((node (word) (aref nodes (mg--integer 0 (1- count) word)))
               (invert (a) (mg-power a -1.0)))
      (while (not root)
        (pcase (mg--next)
          (`("root" ,a) (setq root (node a)))
          (line
           (aset nodes count
                 (pcase line
                   (`("leaf" ,x) (mg-node (mg--double x)))
                   (`("add" ,a ,b) (mg-add (node a) (node b)))
                   (`("sub" ,a ,b) (mg-add (node a) (mg-neg (node b))))
                   (`("mul" ,a ,b) (mg-mul (node a) (node b)))
                   (`("div" ,a ,b) (mg-mul (node a) (invert (node b))))
                   (`("sum" ,a . ,rest)
                    (cl-reduce #'mg-add (mapcar #'node rest) :initial-value (mg-shift (node a) 0.0)))
                   (`("neg" ,a) (mg-neg (node a)))
                   (`("exp" ,a) (mg-exponential (node a)))
                   (`("log" ,a) (mg-logarithm (node a)))
                   (`("relu" ,a) (mg-relu (node a)))
                   (`("pow" ,a ,c) (mg-power (node a) (mg--exponent 1024 c)))
                   (`("add_number" ,a ,c) (mg-shift (node a) (mg--double c)))
                   (`("sub_number" ,a ,c) (mg-shift (node a) (- (mg--double c))))
                   (`("mul_number" ,a ,c) (mg-scale (node a) (mg--double c)))
                   (`("div_number" ,a ,c) (mg-scale (node a) (/ 1.0 (mg--double c))))
                   (`("number_sub" ,c ,a) (mg-shift (mg-neg (node a)) (mg--double c)))
                   (`("number_div" ,c ,a) (mg-scale (invert (node a)) (mg--double c)))
                   (_ (mg-refuse "an unknown expression, or operands that it does not take"))))
           (cl-incf count)))))
    (mg--finish)
    (mg-backward root)
    (dotimes (i count) (mg--put "value" (list (mg--hex (mg-node-value (aref nodes i))))))
    (dotimes (i count) (mg--put "gradient" (list (mg--hex (mg-node-gradient (aref nodes i))))))))

(defun mg--increasing (low high words)
  "The increasing integers WORDS, from LOW to HIGH."
  (let ((numbers (mapcar (apply-partially #'mg--integer low high) words)))
    (unless (or (null numbers) (apply #'< numbers)) (mg-refuse "the numbers must increase"))
    numbers))

(defun mg--read-shape ()
  "The shape that the model lines give."
  (mg--math)
  (let* ((layers (mg--one "layers" #'mg--integer 1 16))
         (heads (mg--one "heads" #'mg--integer 1 64))
         (embedding (mg--one "embedding" #'mg--integer 1 512))
         (_ (unless (zerop (mod embedding heads)) (mg-refuse "embedding must be a multiple of heads")))
         (block (mg--one "block" #'mg--integer 1 1024))
         (vocabulary (mg--one "vocabulary" #'mg--integer 2 2048))
         (squared (mg--one "activation" #'mg--choose '(("relu" . nil) ("squared_relu" . t))))
         (attend (mg-tabulate (time block)
                   (let ((positions (mg--increasing 0 time (mg--take "attend"))))
                     (unless (memq time positions) (mg-refuse "position %d must attend to itself" time))
                     positions))))
    (mg-shape :layers layers :heads heads :embedding embedding :block block
              :vocabulary vocabulary :squared squared :attend attend)))

(defun mg--document (shape words)
  "The document WORDS of a model of SHAPE."
  (unless (length> words 1) (mg-refuse "a document has two or more tokens"))
  (mg--each (apply-partially #'mg--integer 0 (1- (mg-shape-vocabulary shape))) words))

(defun mg--model-and-document ()
  "The model and the document of a request."
  (let* ((shape (mg--read-shape))
         (document (mg--document shape (mg--take "tokens")))
         (model (mg-new-model shape (mg--read-matrices shape))))
    (mg--finish)
    (list model document)))

(defun mg--parameters (model read)
  "A vector of what READ says of each parameter of MODEL."
  (mg--each read (mg-model-parameters model)))

(defun mg--forward ()
  (let* ((mg-listener (lambda (name nodes)
                        (mg--put-tensor name 1 (length nodes) (mg--each #'mg-node-value nodes))))
         (loss (apply #'mg-loss (mg--model-and-document))))
    (mg--put "loss" (list (mg--hex (mg-node-value loss))))))

(defun mg--backward ()
  (pcase-let* ((`(,model ,document) (mg--model-and-document))
               (loss (mg-loss model document)))
    (mg-backward loss)
    (mg--put "loss" (list (mg--hex (mg-node-value loss))))
    (mg--put-matrices (mg-model-shape model) "" (mg--parameters model #'mg-node-gradient))))

(defun mg--read-settings ()
  "The settings of a training."
  (let* ((rate (mg--one "learning_rate" #'mg--double))
         (beta1 (mg--one "beta1" #'mg--double))
         (beta2 (mg--one "beta2" #'mg--double))
         (epsilon (mg--one "epsilon" #'mg--double))
         (schedule (mg--one "schedule" #'mg--choose '(("linear" . linear) ("cosine" . cosine))))
         (steps (mg--one "steps" #'mg--integer 1 4096)))
    (mg-settings :learning-rate rate :beta1 beta1 :beta2 beta2 :epsilon epsilon
                 :schedule schedule :steps steps)))

(defun mg--adam ()
  (mg--math)
  (pcase-let* ((settings (mg--read-settings))
               (step (mg--one "step" #'mg--integer 0 (1- (mg-settings-steps settings))))
               (`(,shape . ,doubles) (mg--tensor "parameters"))
               (`(,gradients ,m ,v)
                (mapcar (lambda (name) (cdr (mg--tensor name shape))) '("gradients" "m" "v")))
               (parameters (mg--each #'mg-node doubles)))
    (mg--finish)
    (cl-mapc (lambda (p g) (setf (mg-node-gradient p) g)) parameters gradients)
    (mg-update settings step parameters m v)
    (cl-mapc (lambda (key x) (mg--put key (list (mg--hex x))))
             '("rate" "correction1" "correction2") (mg-factors settings step))
    (cl-mapc (lambda (name xs) (apply #'mg--put-tensor name (append shape (list xs))))
             '("m" "v" "parameters") (list m v (mg--each #'mg-node-value parameters)))))

(defun mg--train ()
  (let* ((shape (mg--read-shape))
         (settings (mg--read-settings))
         (steps (mg-settings-steps settings))
         (from (mg--one "from" #'mg--integer 0 (1- steps)))
         (last (+ from -1 (mg--one "count" #'mg--integer 1 (- steps from))))
         (full (mg--increasing from last (mg--take "full")))
         (documents (vconcat (mg--while "tokens" (apply-partially #'mg--document shape))))
         (_ (when (equal documents []) (mg-refuse "expected a line tokens")))
         (model (mg-new-model shape (mg--read-matrices shape)))
         (moment (lambda (prefix)
                   (if (zerop from)
                       (make-vector (length (mg-model-parameters model)) 0.0)
                     (mg--read-matrices shape prefix))))
         (m (funcall moment "m."))
         (v (funcall moment "v.")))
    (mg--finish)
    (cl-loop
     for step from from to last
     for document = (aref documents (mod step (length documents)))
     for loss = (mg-step settings step model document m v)
     for tensors = `(("gradients" . ,(mg--parameters model #'mg-node-gradient)) ("m" . ,m) ("v" . ,v)
                     ("parameters" . ,(mg--parameters model #'mg-node-value)))
     do (mg--put "step" (list step))
     do (mg--put "loss" (list (mg--hex loss)))
     do (cl-loop for (key . xs) in tensors
                 do (mg--put key (mg--checksum xs)))
     when (memq step full)
     do (cl-loop for (key . xs) in tensors
                 do (mg--put-matrices shape (concat key ".") xs)))))

(defun mg--samples ()
  (let* ((shape (mg--read-shape))
         (temperature (mg--one "temperature" #'mg--double))
         (samples (mg--one "samples" #'mg--integer 0 1000))
         (model (mg-new-model shape (mg--read-matrices shape)))
         (state (mg--take "state"))
         (_ (unless (length= state 625) (mg-refuse "state takes an index and 624 words")))
         (twister (mg-twister
                   :index (mg--integer 0 624 (car state))
                   :words (mg--each (apply-partially #'mg--integer 0 #xffffffff) (cdr state))
                   :kept (mg--one "kept" (lambda (word) (unless (equal word "none") (mg--double word)))))))
    (mg--finish)
    (dotimes (i samples)
      (mg--put "sample" (list i))
      (mg-sample model temperature
                 (lambda (probabilities)
                   (let ((token (mg-choice twister probabilities)))
                     (mg--put "probabilities" (mg--hexes probabilities))
                     (mg--put "token" (list token))
                     token))))
    (mg--put "word" (list (mg-word twister)))))

(defun mg--whole-run ()
  (mg--math)
  (pcase-let* ((preset (mg--one "preset" #'mg--choose mg-presets))
               (steps (mg--one "steps" #'mg--integer 1 4096))
               (samples (mg--one "samples" #'mg--integer 0 1000))
               (print (lambda (line) (mg--put "print" (append line nil))))
               (`(,model ,m ,v ,twister) (apply #'mg-run (mg--dataset) steps samples print preset)))
    (mg--put "parameters" (mg--checksum (mg--parameters model #'mg-node-value)))
    (mg--put "m" (mg--checksum m))
    (mg--put "v" (mg--checksum v))
    (mg--put "word" (list (mg-word twister)))))

;;;; Standard input and output

(defun mg--say (line)
  "Write LINE to standard output."
  (princ line)
  (princ "\n"))

(defun mg--answer (complete)
  "Answer the request in the accessible part of the buffer.
It is refused if it is not COMPLETE."
  (goto-char (point-min))
  (let ((mg--reply nil)
        (header (buffer-substring (point) (line-end-position))))
    (forward-line)
    (if (not (and (length< header (1+ mg-longest-line))
                  (string-match "\\`\\([!-~]+\\) \\([A-Za-z0-9._-]\\{1,64\\}\\)\\'" header)))
        (mg--put "error" '("-" "expected a verb and an id"))
      (let ((verb (match-string 1 header)) (id (match-string 2 header)))
        (condition-case refusal
            (progn
              (unless complete (mg-refuse "the input ended before the line end"))
              (mg--put "ok" (list id))
              (funcall (cdr (or (assoc verb mg-verbs) (mg-refuse "unsupported")))))
          (mg-refusal (setq mg--reply nil)
                      (mg--put "error" (cons id (cdr refusal)))))))
    (mapc #'mg--say (nreverse mg--reply))
    (mg--say "end")
    (flush-standard-output)))

(defun mg--serve (input)
  "Answer the requests that the process INPUT hands to the current buffer."
  (let ((scanned (point-min)) (open t))
    (while open
      (goto-char scanned)
      (cond ((re-search-forward "^end\n" nil t)
             (let ((next (point)))
               (save-restriction
                 (narrow-to-region (point-min) (match-beginning 0))
                 (mg--answer t))
               (delete-region (point-min) next))
             (setq scanned (point-min)))
            (t (goto-char (point-max))
               (setq scanned (line-beginning-position)
                     open (accept-process-output input))
               (goto-char (point-max))
               (unless (or open (bolp))       ; the last line feed may be missing
                 (insert "\n")
                 (setq open t)))))
    (unless (= (point-min) (point-max)) (mg--answer nil))))

(defun mg--people (input preset)
  "Run PRESET on the text that the process INPUT hands to the current buffer."
  (while (accept-process-output input))
  (goto-char (point-max))
  (unless (bolp) (insert "\n"))
  (let ((lines (butlast (split-string (decode-coding-string (buffer-string) 'utf-8-unix) "\n"))))
    (dolist (line lines)
      (when (seq-some (lambda (c) (or (> c #x10ffff) (<= #xd800 c #xdfff))) line)
        (mg-refuse "the input is not UTF-8")))
    (apply #'mg-run (mapcar #'vconcat lines) (plist-get preset :steps) 20
           (lambda (line) (mg--say line) (flush-standard-output))
           preset)))

(defun mg-main ()
  "Serve requests, or people, as the command line says."
  (setq gc-cons-threshold (ash 1 27)
        integer-width (ash 1 22)             ; bits of the powers on the way to a double
        read-process-output-max (ash 1 20)
        process-adaptive-read-buffering nil
        locale-coding-system 'utf-8-unix)
  (setq-default case-fold-search nil)
  (set-buffer (generate-new-buffer " *requests*"))
  (set-buffer-multibyte nil)
  ;; In batch mode Emacs itself reads lines only, which a carriage return ends, too; cat hands over bytes.
  (let ((input (make-process :name "input" :buffer (current-buffer) :command '("sh" "-c" "exec cat <&3")
                             :coding 'binary :connection-type 'pipe :sentinel #'ignore)))
    (condition-case refusal
        (pcase (cdr command-line-args-left)  ; after "--"
          ('() (mg--serve input))
          (`("run") (mg--people input (mg--choose mg-presets "seed")))
          (`("run" ,name) (mg--people input (mg--choose mg-presets name)))
          (_ (mg-refuse "usage: microgpt [run [seed|classic]] < names.txt")))
      (mg-refusal (message "%s" (cadr refusal))
                  (kill-emacs 1)))
    (kill-emacs 0)))

(provide 'microgpt)

;; Local Variables:
;; read-symbol-shorthands: (("mg-" . "microgpt-"))
;; End:

;;; microgpt.el ends here
