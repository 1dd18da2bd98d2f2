!> Text, the model, its training, and a whole run (SPEC, sections 4 and 6 to 10). There is one model at a time.
module gpt
  use, intrinsic :: iso_fortran_env, only: dp => real64, int64
  use exact
  use protocol, only: failed, put_tensor, raise
  use tape
  use twister
  implicit none
  private
  public :: list_type, adam_type, make_matrices, start, loss, predict, rates, update, train
  public :: add_document, encode, decimals, run

  type :: list_type
    integer, allocatable :: item(:)
  end type

  type :: matrix_type
    character(16) :: name
    integer, allocatable :: node(:, :)  !< a column for each of its rows
  end type

  type :: adam_type
    real(dp) :: learning_rate = 0.01_dp, beta1 = 0.9_dp, beta2 = 0.95_dp, epsilon = 1e-8_dp
    logical :: is_cosine = .true.
    integer :: steps
  end type

  integer, public :: layers, heads, embedding, block, vocabulary
  logical, public :: is_squared  !< the activation is the square of relu
  logical, public :: is_traced   !< activations are put into the reply
  type(list_type), allocatable, public :: attend(:)
  type(matrix_type), allocatable, protected, public :: matrix(:)
  integer, protected, public :: parameters  !< the first nodes of the tape
  real(dp), allocatable, public :: m(:), v(:)
  integer, allocatable :: keys(:, :, :), values(:, :, :)  !< (element, position, layer)

  abstract interface
    subroutine printer(text, points)
      character(*), intent(in) :: text
      integer, intent(in) :: points(:)  !< code points that follow
    end subroutine
  end interface

contains

  subroutine make_matrices()
    character(8) :: layer
    integer :: i
    parameters = 0
    if (allocated(matrix)) deallocate (matrix)
    allocate (matrix(0))
    call append('wte', vocabulary, embedding)
    call append('wpe', block, embedding)
    call append('lm_head', vocabulary, embedding)
    do i = 0, layers - 1
      write (layer, '("layer", i0, ".")') i
      call append(trim(layer) // 'attn_wq', embedding, embedding)
      call append(trim(layer) // 'attn_wk', embedding, embedding)
      call append(trim(layer) // 'attn_wv', embedding, embedding)
      call append(trim(layer) // 'attn_wo', embedding, embedding)
      call append(trim(layer) // 'mlp_fc1', 4 * embedding, embedding)
      call append(trim(layer) // 'mlp_fc2', embedding, 4 * embedding)
    end do
  contains
    subroutine append(name, rows, columns)
      character(*), intent(in) :: name
      integer, intent(in) :: rows, columns
      integer :: k
      matrix = [matrix, matrix_type(name, &
        reshape([(k, k = parameters + 1, parameters + rows * columns)], [columns, rows]))]
      parameters = parameters + rows * columns
    end subroutine
  end subroutine

  !> The model gets its numbers.
  subroutine start(numbers)
    real(dp), intent(in) :: numbers(:)
    integer :: leaves(size(numbers))
    call cut(0)
    leaves = leaf(numbers)
    m = spread(0.0_dp, 1, size(numbers))
    v = m
    if (allocated(keys)) deallocate (keys, values)
    allocate (keys(embedding, block, layers), values(embedding, block, layers))
  end subroutine

  subroutine note(name, x, position, layer, head)
    character(*), intent(in) :: name
    integer, intent(in) :: x(:), position
    integer, intent(in), optional :: layer, head
    character(40) :: place
    if (.not. is_traced) return
    if (present(head)) then
      write (place, '("pos", i0, ".layer", i0, ".head", i0, ".")') position - 1, layer - 1, head - 1
    else if (present(layer)) then
      write (place, '("pos", i0, ".layer", i0, ".")') position - 1, layer - 1
    else
      write (place, '("pos", i0, ".")') position - 1
    end if
    call put_tensor(trim(place) // name, 1, value(x))
  end subroutine

  function linear(x, number) result(y)
    integer, intent(in) :: x(:), number
    integer :: y(size(matrix(number)%node, 2)), i
    do i = 1, size(y)
      y(i) = dot(matrix(number)%node(:, i), x)
    end do
  end function

  !> The values at the positions to which t attends, mixed head by head.
  function attention(q, t, layer) result(mixed)
    integer, intent(in) :: q(:), t, layer
    integer :: mixed(size(q)), head, i, width, first, last
    integer :: list(size(attend(t)%item)), scores(size(attend(t)%item))
    list = attend(t)%item + 1
    width = embedding / heads
    do head = 1, heads
      first = (head - 1) * width + 1
      last = head * width
      do i = 1, size(list)
        scores(i) = scaled(dot(q(first:last), keys(first:last, list(i), layer)), 1.0_dp / sqrt(real(width, dp)))
      end do
      call note('scores', scores, t, layer, head)
      scores = softmax(scores)
      call note('weights', scores, t, layer, head)
      do i = first, last
        mixed(i) = dot(scores, values(i, list, layer))
      end do
      call note('mixed', mixed(first:last), t, layer, head)
    end do
  end function

  function logits(token, t) result(y)
    integer, intent(in) :: token, t
    integer :: y(vocabulary), hidden(4 * embedding), layer, w
    integer, dimension(embedding) :: x, q, residual
    x = add(matrix(1)%node(:, token + 1), matrix(2)%node(:, t))
    call note('embedded', x, t)
    x = rmsnorm(x)
    call note('normed', x, t)
    do layer = 1, layers
      w = 6 * layer - 3
      residual = x
      x = rmsnorm(x)
      call note('attn_norm', x, t, layer)
      q = linear(x, w + 1)
      call note('q', q, t, layer)
      keys(:, t, layer) = linear(x, w + 2)
      call note('k', keys(:, t, layer), t, layer)
      values(:, t, layer) = linear(x, w + 3)
      call note('v', values(:, t, layer), t, layer)
      x = linear(attention(q, t, layer), w + 4)
      call note('attn_out', x, t, layer)
      x = add(x, residual)
      call note('attn_residual', x, t, layer)
      residual = x
      x = rmsnorm(x)
      call note('mlp_norm', x, t, layer)
      hidden = linear(x, w + 5)
      call note('hidden', hidden, t, layer)
      hidden = relu(hidden)
      if (is_squared) hidden = pow(hidden, 2.0_dp)
      call note('activated', hidden, t, layer)
      x = linear(hidden, w + 6)
      call note('mlp_out', x, t, layer)
      x = add(x, residual)
      call note('mlp_residual', x, t, layer)
    end do
    y = linear(x, 3)
    call note('logits', y, t)
  end function

  !> The node of a document's loss.
  integer function loss(tokens)
    integer, intent(in) :: tokens(:)
    integer :: probabilities(vocabulary), losses(min(block, size(tokens) - 1)), t
    call cut(parameters)
    do t = 1, size(losses)
      probabilities = softmax(logits(tokens(t), t))
      call note('probabilities', probabilities, t)
      losses(t) = scaled(ln(probabilities(tokens(t + 1) + 1)), -1.0_dp)
      call note('loss', losses(t:t), t)
    end do
    loss = scaled(total(losses), 1.0_dp / real(size(losses), dp))
  end function

  !> The probabilities of what follows the token at position t.
  function predict(t, token, temperature) result(probabilities)
    integer, intent(in) :: t, token
    real(dp), intent(in) :: temperature
    real(dp) :: probabilities(vocabulary)
    if (t == 1) call cut(parameters)
    associate (nodes => softmax(scaled(logits(token, t), 1.0_dp / temperature)))
      probabilities = value(nodes)
    end associate
  end function

  !> The learning rate, and the corrections of both moments.
  function rates(adam, step)
    type(adam_type), intent(in) :: adam
    integer, intent(in) :: step
    real(dp) :: rates(3), s, n
    s = real(step, dp)
    n = real(adam%steps, dp)
    rates(1) = adam%learning_rate * (1.0_dp - s / n)
    if (adam%is_cosine) rates(1) = (adam%learning_rate * 0.5_dp) * (1.0_dp + exact_cos((acos(-1.0_dp) * s) / n))
    rates(2) = 1.0_dp - exact_pow(adam%beta1, s + 1.0_dp)
    rates(3) = 1.0_dp - exact_pow(adam%beta2, s + 1.0_dp)
  end function

  subroutine update(adam, step, p, g, m, v)
    type(adam_type), intent(in) :: adam
    integer, intent(in) :: step
    real(dp), intent(in) :: g(:)
    real(dp), intent(inout) :: p(:), m(:), v(:)
    real(dp) :: rate(3)
    integer :: i
    rate = rates(adam, step)
    m = adam%beta1 * m + (1.0_dp - adam%beta1) * g
    v = adam%beta2 * v + (1.0_dp - adam%beta2) * (g * g)
    do i = 1, size(p)
      p(i) = p(i) - (rate(1) * (m(i) / rate(2))) / (exact_pow(v(i) / rate(3), 0.5_dp) + adam%epsilon)
    end do
  end subroutine

  !> One step on a document; its loss.
  real(dp) function train(adam, step, tokens)
    type(adam_type), intent(in) :: adam
    integer, intent(in) :: step, tokens(:)
    integer :: root
    root = loss(tokens)
    train = value(root)
    call backward(root)
    call update(adam, step, value(:parameters), gradient(:parameters), m, v)
  end function

  !> Appends a line without the white space at both ends, if anything is left.
  subroutine add_document(documents, count, line)
    type(list_type), allocatable, intent(inout) :: documents(:)
    integer, intent(inout) :: count
    integer, intent(in) :: line(:)
    type(list_type), allocatable :: more(:)
    logical :: is_text(size(line))
    integer :: i
    if (any(line > 1114111 .or. shiftr(line, 11) == 27)) call raise('a surrogate is not a code point')
    is_text = line /= 32 .and. (line < 9 .or. line > 13)
    if (.not. any(is_text)) return
    if (count == size(documents)) then
      allocate (more(2 * count + 64))
      do i = 1, count
        call move_alloc(documents(i)%item, more(i)%item)
      end do
      call move_alloc(more, documents)
    end if
    count = count + 1
    documents(count)%item = line(findloc(is_text, .true., dim=1):findloc(is_text, .true., dim=1, back=.true.))
  end subroutine

  !> The code points of documents become tokens between two BOS. Returns the distinct code points, in order.
  function encode(documents) result(points)
    type(list_type), intent(inout) :: documents(:)
    integer, allocatable :: points(:)
    integer, allocatable :: token(:)
    integer :: i, k
    allocate (token(0:1114111), source=-1)
    do i = 1, size(documents)
      token(documents(i)%item) = 0
    end do
    points = pack([(i, i = 0, ubound(token, 1))], token == 0)
    if (size(documents) == 0) call raise('the dataset has no documents')
    if (size(points) > 2047) call raise('the dataset has more than 2047 distinct characters')
    token(points) = [(k, k = 0, size(points) - 1)]
    do i = 1, size(documents)
      documents(i)%item = [size(points), token(documents(i)%item), size(points)]
    end do
  end function

  function decimals(x) result(text)
    real(dp), intent(in) :: x
    character(:), allocatable :: text
    character(400) :: field
    write (field, '(f400.4)') x
    if (x /= x) field = 'nan'
    if (abs(x) > huge(x)) field = merge('inf ', '-inf', x > 0.0_dp)
    text = trim(adjustl(field))
  end function

  subroutine run(is_seed, steps, samples, documents, print)
    logical, intent(in) :: is_seed
    integer, intent(in) :: steps, samples
    type(list_type), intent(inout) :: documents(:)
    procedure(printer) :: print
    integer, allocatable :: points(:), order(:), sample(:)
    real(dp), allocatable :: numbers(:)
    type(adam_type) :: adam
    character(80) :: line
    integer :: i, k, token
    real(dp) :: sigma
    points = encode(documents)
    if (failed()) return
    call seed(42_int64)
    order = shuffled(size(documents)) + 1
    adam = adam_type(steps=steps)
    if (.not. is_seed) adam = adam_type(beta1=0.85_dp, beta2=0.99_dp, is_cosine=.false., steps=steps)
    layers = 1
    heads = 4
    embedding = 16
    block = merge(8, 16, is_seed)
    vocabulary = size(points) + 1
    is_squared = is_seed
    is_traced = .false.
    attend = [(list_type([(k, k = 0, i)]), i = 0, block - 1)]
    call make_matrices()
    allocate (numbers(0))
    do i = 1, size(matrix)
      sigma = merge(0.02_dp, 0.08_dp, is_seed)
      if (is_seed .and. any(matrix(i)%name == ['layer0.attn_wo', 'layer0.mlp_fc2'])) sigma = 0.0_dp
      numbers = [numbers, (gauss(sigma), k = 1, size(matrix(i)%node))]
    end do
    call start(numbers)
    write (line, '("num docs: ", i0)') size(documents)
    call print(trim(line), [integer ::])
    write (line, '("vocab size: ", i0)') vocabulary
    call print(trim(line), [integer ::])
    write (line, '("num params: ", i0)') parameters
    call print(trim(line), [integer ::])
    do i = 1, steps
      k = order(mod(i - 1, size(order)) + 1)
      write (line, '("step ", i4, " / ", i4, " | loss")') i, steps
      call print(trim(line) // ' ' // decimals(train(adam, i - 1, documents(k)%item)), [integer ::])
    end do
    call print('', [integer ::])
    call print('--- inference (new, hallucinated names) ---', [integer ::])
    do i = 1, samples
      allocate (sample(0))
      token = vocabulary - 1
      do k = 1, block
        token = choice(predict(k, token, 0.5_dp))
        if (failed() .or. token == vocabulary - 1) exit
        sample = [sample, points(token + 1)]
      end do
      write (line, '("sample ", a, i0, ":")') repeat(' ', merge(1, 0, i < 10)), i
      call print(trim(line) // ' ', sample)
      deallocate (sample)
    end do
  end subroutine
end module
