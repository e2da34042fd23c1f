# Pre-training of students, once for each corpus, size and seed number, and for each method that
# has an objective of its own for it; before it, once for each corpus on which students fit a larger
# model, that model's hidden states. With `exec` a signal that ends a job reaches the program, which
# then saves its state.


rule states:
    input:
        lambda w: JOBS.inputs("states", w.job),
    output:
        STORE / "states/{job}/record.json",
    log:
        LOGS / "states/{job}.log",
    benchmark:
        PATHS.benchmarks / "states/{job}.tsv"
    priority: lambda w: JOBS.priority("states", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("states", w.job),
    message:
        "compute the states that students of {params.key} fit"
    shell:
        "exec pdbench states {params.study:q} {params.key} --threads {threads} > {log} 2>&1"


rule pretrain:
    input:
        lambda w: JOBS.inputs("pretrain", w.job),
    output:
        STORE / "pretrain/{job}/record.json",
    log:
        LOGS / "pretrain/{job}.log",
    benchmark:
        PATHS.benchmarks / "pretrain/{job}.tsv"
    priority: lambda w: JOBS.priority("pretrain", w.job)
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    params:
        study=ARGUMENT,
        key=lambda w: JOBS.key("pretrain", w.job),
    message:
        "pre-train {params.key}"
    shell:
        "exec pdbench pretrain {params.study:q} {params.key} --threads {threads} > {log} 2>&1"
